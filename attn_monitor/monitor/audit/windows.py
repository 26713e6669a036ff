"""Sliding windows: each holds in one layer, so that layers are checked one by one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attn_monitor.core.mask_audit import MaskCheck
from attn_monitor.monitor.audit.count import Count, spread, tolerance
from attn_monitor.monitor.audit.intent import Meant
from attn_monitor.monitor.audit.leaks import MOST_QUERIES, SEED, Reach, gradients
from attn_monitor.monitor.audit.watched import Returned, per_token


def windows(
    model: nn.Module,
    reach: Reach,
    meant: Sequence[Meant],
    window: int | None,
    attending: Sequence[str],
) -> list[MaskCheck]:
    """Check, in each attention module that has a window, that nothing before it is read.

    A window holds in one layer only: what entered the module counts, not the embeddings.

    Args:
        model: The model, whose modules may declare a ``sliding_window``.
        reach: The pass.
        meant: The batch's streams.
        window: What the user says of all attention modules.
        attending: The paths of these.
    """
    stream = next((m for m in meant if m.name != "source"), None)
    if stream is None:
        return []
    shape, found = stream.ids.shape, []
    declared = {
        name: size
        for name, module in model.named_modules()
        if isinstance(size := vars(module).get("sliding_window", None), int) and size > 1
    }
    if window is not None:
        declared = dict.fromkeys(attending, window)
    for name, size in declared.items():
        inside = [
            at
            for at, r in enumerate(reach.seen.returned)
            if r.module == name or r.module.startswith(f"{name}.")
        ]
        if not inside or size >= shape[1]:
            continue
        before = [r.tensor for r in reach.seen.returned[: inside[0]]]
        entering = next((t for t in reversed(before) if per_token(t, shape) is not None), None)
        leaving = next(
            (
                reach.seen.returned[at]
                for at in reversed(inside)
                if per_token(reach.seen.returned[at].tensor, shape) is not None
            ),
            None,
        )
        if entering is None or leaving is None or not leaving.tensor.requires_grad:
            continue
        by = f"you: mask={window}" if window is not None else f"the model: sliding_window={size}"
        check = MaskCheck(rule="window", reader=stream.name, read=stream.name, said_by=by, pairs=0)
        found.append(_window(reach, check, entering, leaving, real=stream.real, size=size))
    return found


def _window(
    reach: Reach,
    check: MaskCheck,
    entering: Tensor,
    leaving: Returned,
    *,
    real: Tensor,
    size: int,
) -> MaskCheck:
    shape = real.shape
    tensor = per_token(leaving.tensor, shape)
    count = Count(tolerance(leaving.tensor))
    columns = torch.arange(shape[1])
    weights = torch.randn(
        1 if tensor is None else tensor.shape[2], generator=torch.Generator().manual_seed(SEED)
    )
    for query in spread(list(range(size, shape[1])), MOST_QUERIES):
        if reach.late or tensor is None:
            break
        output = tensor[:, query]
        [grad] = gradients(output, [entering], weights.to(output).expand_as(output))
        size_of = None if grad is None else per_token(grad, shape)
        if size_of is None:
            return check
        outside = (columns <= query - size).expand(shape[0], -1) & real[:, query, None] & real
        if bool(outside.any()):
            count.add(outside, size_of.float().norm(dim=-1).cpu(), query)
    return count.into(check, leaving.module)
