"""Audits the masks of what is recorded: a few of the probes, with the padding between them."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from attn_monitor.capture.api import eagerly
from attn_monitor.core.mask_audit import MaskAudit
from attn_monitor.monitor.audit.forbidden_pairs import audit
from attn_monitor.monitor.audit.intent import intended
from attn_monitor.monitor.guard import Replay
from attn_monitor.monitor.layout import Layout
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import SIDES, Kept, ProbeBatch, probe_batches
from attn_monitor.monitor.tokens import padding_id

SENTENCES: Final = 4
SECONDS: Final = 5.0


def audit_probes(
    model: nn.Module, layout: Layout, replay: Replay, options: MonitorOptions
) -> MaskAudit:
    """Try whether the mask holds, on training probes where there are some.

    Args:
        model: The model; whoever calls puts it back.
        layout: The recording's layout, with its probes.
        replay: Runs one probe batch.
        options: What the user set.
    """
    probes = _few(_chosen(layout.batches), options)
    mask = options.mask
    meant = intended(
        model,
        probes.batch,
        mask=mask,
        pad_id=padding_id(options.tokens),
        describe_batch=options.describe_batch,
    )
    with eagerly(), torch.enable_grad():
        return audit(
            model,
            lambda: replay(probes.input),
            meant,
            window=mask if isinstance(mask, int) else None,
            attending=tuple(
                layer.name.partition("#")[0] for part in layout.parts for layer in part.layers
            ),
            seconds=SECONDS,
        )


def _chosen(batches: tuple[ProbeBatch, ...]) -> ProbeBatch:
    """Return training probes where there are some, and of these a batch with padding."""
    training = [batch for batch in batches if SIDES[batch.split] == "train"]
    return max(training or batches[:1], key=_padded)


def _padded(batch: ProbeBatch) -> bool:
    return len({len(ids) for ids in batch.tokens.source.ids}) > 1


def _few(batch: ProbeBatch, options: MonitorOptions) -> ProbeBatch:
    """Return the shortest and the longest sentences of a batch."""
    lengths = batch.tokens.source.ids
    order = sorted(batch.rows, key=lambda row: len(lengths[row]))
    half = SENTENCES // 2
    rows = order if len(order) <= SENTENCES else [*order[:half], *order[-half:]]
    kept = Kept(batch=batch.batch, tokens=batch.tokens, calls=batch.calls)
    return probe_batches(kept, batch.split, rows, options)[0]
