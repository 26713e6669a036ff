"""What no gradient shows: outputs that are cut off, and choices between tokens.

A router that takes the best tokens, or as many as it has room for, lets a token depend on others
though its gradient does not. Forbidden tokens are changed, and what moves is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn

from attn_monitor.core.mask_audit import MaskCheck, Rule
from attn_monitor.monitor.audit.count import spread
from attn_monitor.monitor.audit.intent import Meant
from attn_monitor.monitor.audit.leaks import Reach
from attn_monitor.monitor.audit.lying import Lying, laid_out
from attn_monitor.monitor.audit.watched import Returned, Watched, per_token, watched

_MOST: Final = 2  # queries of each rule
_SINGLE: Final = 1e-4  # of what moves if every token is changed; kernels round differently
_HALF: Final = 3e-2
UNSEEN: Final = ", by a choice that no gradient shows"


@dataclass(slots=True)
class Again:
    """Runs the model anew.

    Attributes:
        model: The model.
        run: Runs it.
        streams: The tokens of each stream.
        lyings: How the outputs of some streams lie.
    """

    model: nn.Module
    run: Callable[[], object]
    streams: list[Tensor]
    lyings: Sequence[Lying] = field(default=())

    def once(self, noise: Mapping[int, Tensor] | None = None, *, mixing: bool = False) -> Watched:
        """Run it, with some tokens changed, or with batch norms that mix sentences."""
        seen = watched(self.model, self.run, self.streams, noise=noise, mixing=mixing)
        seen.returned = laid_out(seen.returned, self.lyings)
        return seen

    def outputs(self, output: int, shape: torch.Size, noise: Mapping[int, Tensor]) -> Tensor | None:
        """Return ``[sentence, column, entry]`` outputs with some tokens changed."""
        returned = self.once(noise).returned
        if len(returned) <= output:
            return None
        found = per_token(returned[output].tensor, shape)
        return None if found is None else found.detach().float()

    def changed(
        self, reach: Reach, streams: tuple[int, int], output: int, query: tuple[int, Tensor]
    ) -> Tensor | None:
        """Return how far an output moves with its forbidden tokens, and elsewhere with all.

        Args:
            reach: The pass in which nothing was changed.
            streams: Whose output, and whose tokens.
            output: Which of the returned tensors.
            query: The output's column, and the tokens that are forbidden to it,
                ``[sentence, column]``.

        Returns:
            ``[sentence, column]``; ``None`` where the model answers otherwise.
        """
        (reader, read), (column, forbidden) = streams, query
        before = per_token(reach.seen.returned[output].tensor, reach.shapes[reader])
        moved: list[Tensor] = []
        for where in (forbidden, torch.ones(reach.shapes[read], dtype=torch.bool)):
            after = self.outputs(output, reach.shapes[reader], {read: where.float()})
            if after is None or before is None:
                return None
            change = after[:, column] - before[:, column].detach().float()
            moved.append(change.norm(dim=-1).cpu()[:, None].expand(forbidden.shape))
        found: Tensor = torch.where(forbidden, moved[0], moved[1])
        return found


def choices(
    again: Again, reach: Reach, meant: Sequence[Meant], outputs: Mapping[int, int]
) -> list[MaskCheck]:
    """Return what moves with tokens that it may not read, though no gradient says so.

    Args:
        again: Runs the model.
        reach: The pass in which nothing was changed.
        meant: The batch's streams.
        outputs: Stream -> which of the tensors returned there holds its outputs.
    """
    found: list[MaskCheck] = []
    for at, output in outputs.items():
        asker = _Asker(again, reach, at, meant[at], output)
        if asker.steady:
            found += [check for check in asker.checks() if check.leaks]
    return found


@dataclass(slots=True)
class _Asker:
    """Changes tokens of one stream, and compares its outputs."""

    again: Again
    reach: Reach
    at: int
    meant: Meant
    output: int
    every: Tensor = field(default_factory=lambda: torch.zeros(0))  # moved if every token is changed

    @property
    def steady(self) -> bool:
        """Whether the model answers the same when nothing is changed."""
        moved = self._moved(torch.zeros(self.meant.ids.shape, dtype=torch.bool))
        return moved is not None and bool((moved == 0).all())

    def checks(self) -> list[MaskCheck]:
        """Return one check per rule: of a few queries, all that is forbidden to them changed."""
        every = self._moved(self.meant.real)
        if every is None:
            return []
        half = self.reach.seen.returned[self.output].tensor.dtype in {torch.bfloat16, torch.float16}
        bar = every * (_HALF if half else _SINGLE)
        self.every = every
        found: list[MaskCheck] = []
        for rule, pairs in self.meant.forbidden.pairs.items():
            columns = pairs.any(2).any(0).nonzero().flatten().tolist()
            for column in spread(columns, _MOST):
                if self.reach.late:
                    return found
                forbidden = pairs.expand(len(bar), -1, -1)[:, column]
                moved = self._moved(forbidden)
                tried = torch.zeros_like(self.meant.real)
                tried[:, column] = forbidden.any(1)
                found += self._check(rule, tried, moved, bar, forbidden)
        if len(bar) > 1 and not self.reach.late and (self.meant.forbidden.pairs or self.meant.said):
            first = torch.zeros_like(self.meant.real)
            first[0] = self.meant.real[0]
            tried = self.meant.real & ~first
            found += self._check("sentence", tried, self._moved(first), bar, first)
        return found

    def _moved(self, where: Tensor) -> Tensor | None:
        """Return ``[sentence, column]``: how far each output moves when tokens are changed."""
        shape = self.meant.ids.shape
        before = per_token(self.reach.seen.returned[self.output].tensor, shape)
        after = self.again.outputs(self.output, shape, {self.at: where.float()})
        if before is None or after is None:
            return None
        found: Tensor = (after - before.detach().float()).norm(dim=-1).cpu()
        return found

    def _check(
        self, rule: Rule, tried: Tensor, moved: Tensor | None, bar: Tensor, changed: Tensor
    ) -> list[MaskCheck]:
        if moved is None or not bool(((moved > bar) & tried).any()):
            return []
        leaking = (moved > bar) & tried
        worst = int(torch.where(leaking, moved, 0).argmax())
        row, query = divmod(worst, tried.shape[1])
        source = changed[row] if rule != "sentence" else changed[0]
        return [
            MaskCheck(
                rule=rule,
                reader=self.meant.name,
                read=self.meant.name,
                said_by=self.meant.said_of(rule),
                pairs=int(tried.sum()),
                leaks=int(leaking.sum()),
                query=query,
                key=int(source.int().argmax()),
                size=float(moved[row, query] / self.every[row, query]),
                first=self._first(row, query, changed) + UNSEEN,
            )
        ]

    def _first(self, row: int, query: int, changed: Tensor) -> str:
        """Return the first module that an output leaves changed."""
        after = self.again.once({self.at: changed.float()}).returned
        pairs: list[tuple[Returned, Returned]] = list(
            zip(self.reach.seen.returned, after, strict=False)
        )
        for old, new in pairs:
            one, other = (per_token(x.tensor.detach(), self.meant.ids.shape) for x in (old, new))
            if one is None or other is None or one.shape != other.shape:
                continue
            if not torch.allclose(one[row, query], other[row, query], rtol=1e-3, atol=1e-5):
                return f"{old.module or 'the model itself'} ({old.kind})"
        return "the model itself"
