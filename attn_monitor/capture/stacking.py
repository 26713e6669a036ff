"""Attention of one sentence after the other: a loop over a batch is one layer with all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.paths import Buffer, run_again
from attn_monitor.capture.placed import Whole, values_of
from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import WeightRule
from attn_monitor.capture.selection import Selection
from attn_monitor.capture.sources import Sources

_EVIDENCE: Final = ("model", "verified", "unverified")  # the strongest first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stacked(WeightRule):
    """Weights of one sentence each, one below the other.

    Attributes:
        rules: In the order of the sentences.
    """

    rules: tuple[WeightRule, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Sentences, heads, queries, keys."""
        return (len(self.rules), *self.rules[0].shape[1:])

    def weights(self, selection: Selection) -> Tensor:
        """Return the selected block, sentence by sentence."""
        numbers = selection.sentence_numbers(len(self.rules), torch.device("cpu")).tolist()
        alone = replace(selection, sentences=slice(0, 1))
        return torch.cat([self.rules[number].weights(alone) for number in numbers])

    def logit_max(self) -> Tensor | None:
        """Return the largest scores of all sentences, where all are known."""
        found = [rule.logit_max() for rule in self.rules]
        known = [largest for largest in found if largest is not None]
        return torch.cat(known) if len(known) == len(found) else None


def stacked(
    records: Sequence[Record], sources: Sequence[Buffer], whole: Whole
) -> list[Record] | None:
    """Return one record of calls that saw a sentence each; ``None`` where they saw other things.

    Args:
        records: Calls of one shape, in their order.
        sources: Their values, in the same order.
        whole: What the model put them together to, sentences first.
    """
    count = len(records)
    single = all(record.shape[0] == 1 for record in records)
    if not single or len(sources) != count or whole.output.shape[0] % count:
        return None
    without = run_again(whole.place, {})
    for number, source in enumerate(sources):
        reached = run_again(whole.place, {source: torch.ones_like(values_of(source))}) != without
        rows = reached.reshape(count, -1).any(1)
        if rows.nonzero().flatten().tolist() != [number]:
            return None
    first = records[0]
    weakest = max(
        records, key=lambda record: ("model", "verified", "unverified").index(record.evidence)
    )
    errors = [record.error for record in records]
    known = [error for error in errors if error is not None]
    return [
        replace(
            first,
            rule=Stacked(rules=tuple(record.rule for record in records)),
            query=torch.cat([record.query for record in records]),
            key=torch.cat([record.key for record in records]),
            value=torch.cat([record.value for record in records]),
            windows=1,
            evidence=weakest.evidence,
            error=max(known) if len(known) == count else None,
            query_projected=_together([record.query_projected for record in records]),
            key_projected=_together([record.key_projected for record in records]),
            mixed=None,
            sources=_sources([record.sources for record in records]),
        )
    ]


def _together(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    fits = len(known) == len(tensors) and all(tensor.shape[0] == 1 for tensor in known)
    return torch.cat(known) if fits else None


def _sources(found: Sequence[Sources | None]) -> Sources | None:
    known = [sources for sources in found if sources is not None]
    if len(known) < len(found):
        return None
    return replace(
        known[-1],
        query=torch.cat([sources.query for sources in known]),
        key=torch.cat([sources.key for sources in known]),
        query_passed=frozenset().union(*(sources.query_passed for sources in known)),
        key_passed=frozenset().union(*(sources.key_passed for sources in known)),
        learned=all(sources.learned for sources in known),
        digests=torch.cat([sources.digests for sources in known]),
    )
