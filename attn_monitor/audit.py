"""Does the mask hold, before anything is trained: `audit_masks`."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import nn

from attn_monitor.capture.api import capture, eagerly
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.keywords import spelled_out
from attn_monitor.core.mask_audit import MaskAudit
from attn_monitor.monitor.audit import MaskRule, audit
from attn_monitor.monitor.audit.intent import check_mask, intended
from attn_monitor.monitor.batches import DescribeBatch
from attn_monitor.monitor.guard import untouched
from attn_monitor.monitor.moving import on_device_of
from attn_monitor.monitor.options import ReplayBatch
from attn_monitor.monitor.tokens import TokenSource, padding_id
from attn_monitor.recorder import read_batch


@spelled_out()
def audit_masks(
    model: nn.Module,
    batch: object,
    *,
    mask: MaskRule = None,
    tokens: TokenSource = None,
    describe_batch: DescribeBatch | None = None,
    replay: ReplayBatch | None = None,
) -> MaskAudit:
    """Return whether any output of a model depends on a token that it must not read.

    One forward pass, and backward passes to the embeddings: the gradient of an output at a token
    that it may not read is exactly zero, or the mask leaks. The model is left as it was.

    What must not be read is said by the batch (a mask, ``position_ids`` that start again,
    ``cu_seqlens``, labels that are the next tokens), by the model (``is_causal``, a sliding
    window) or by ``mask``; where nobody says it, nothing is claimed.

    Args:
        model: Any module.
        batch: A batch of at least two sentences of different length, or packed ones: of what is
            not in it nothing can be said.
        mask: ``"causal"``; ``"prefix"``: causal but within the first segment of
            ``token_type_ids``; ``"full"``; a number: causal, and this many tokens in each layer;
            a function from a batch to what may be read, boolean ``[sentence, query, key]``.
        tokens: A tokenizer, for its padding id.
        describe_batch: Returns the token ids of a batch, as in :class:`AttentionMonitor`.
        replay: ``(model, batch) -> anything``: how the model reads a batch.

    Raises:
        ConfigurationError: The model cannot be called with the batch.

    Example:
        found = audit_masks(model, next(iter(loader)))
        assert found.holds, found.sentence
    """
    if not isinstance(model, nn.Module):
        raise ConfigurationError(f"model must be a torch.nn.Module, got {model!r}")
    check_mask(mask)
    run: Callable[[nn.Module, object], object] = replay or read_batch
    meant = intended(
        model, batch, mask=mask, pad_id=padding_id(tokens), describe_batch=describe_batch
    )
    with untouched(model), eagerly(), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        window = mask if isinstance(mask, int) else None
        return audit(
            model,
            lambda: run(model, on_device_of(model, batch)),
            meant,
            window=window,
            attending=() if window is None else _attending(model, run, batch),
        )


def _attending(
    model: nn.Module, run: Callable[[nn.Module, object], object], batch: object
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    with capture(model, sink=lambda record: found.setdefault(record.module), verify=False):
        run(model, on_device_of(model, batch))
    return tuple(found)
