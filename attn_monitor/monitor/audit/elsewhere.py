"""The same mask in the other states a model has: training, and inference without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from attn_monitor.core.mask_audit import MaskCheck
from attn_monitor.monitor.audit.count import Count, spread, tolerance
from attn_monitor.monitor.audit.intent import Meant
from attn_monitor.monitor.audit.lying import Lying, laid_out
from attn_monitor.monitor.audit.watched import (
    Returned,
    as_laid,
    batch_norms,
    per_token,
    place_of,
    tensors_of,
)

_MOST: Final = 4  # columns: what a state of its own breaks, it breaks for all of them
_CLOSE: Final = 1e-3  # of the largest output: kernels round differently


@contextmanager
def in_training(model: nn.Module) -> Iterator[None]:
    """Let all modules train in the ``with`` block, but for batch norms, which mix sentences."""
    norms = batch_norms(model)
    resting = [m for m in model.modules() if not m.training and m not in norms]
    for module in resting:
        module.training = True
    try:
        yield
    finally:
        for module in resting:
            module.training = False


def without_gradients(
    model: nn.Module,
    run: Callable[[], object],
    meant: Sequence[Meant],
    seen: Sequence[Returned],
    outputs: Mapping[int, int],
    *,
    lyings: Sequence[Lying],
) -> list[MaskCheck]:
    """Return what leaks where a model runs without gradients, which may take other kernels.

    Where it answers as it does with gradients, nothing leaks that did not before. Where it answers
    differently, forbidden tokens are changed to see what moves.

    Args:
        model: The model, in evaluation mode.
        run: Runs it on the batch.
        meant: The batch's streams.
        seen: What modules returned in the pass with gradients.
        outputs: Stream -> which of the tensors returned there holds its outputs.
        lyings: How the outputs of some streams lie.
    """
    plain = _Plain(model, run, [stream.ids for stream in meant], lyings)
    before = plain.returned()
    found: list[MaskCheck] = []
    for at, output in outputs.items():
        stream, old = meant[at], seen[output]
        new = _same(before, old, stream)
        if new is None or _close(new, old.tensor, stream):
            continue
        if not _close(new, _same(plain.returned(), old, stream), stream):
            continue  # it never answers the same
        for rule, pairs in stream.forbidden.pairs.items():
            check = MaskCheck(
                rule=rule,
                reader=stream.name,
                read=stream.name,
                said_by=stream.forbidden.said_by.get(rule, ""),
                pairs=0,
                during="inference",
            )
            count = _changing(plain, stream, at=at, old=old, before=new, pairs=pairs)
            found.append(count.into(check, old.module))
    return [check for check in found if check.leaks]


def _changing(
    plain: _Plain, stream: Meant, *, at: int, old: Returned, before: Tensor, pairs: Tensor
) -> Count:
    count = Count(tolerance(before))
    pairs = pairs.expand(stream.ids.shape[0], -1, -1)
    for column in spread(pairs.any(2).any(0).nonzero().flatten().tolist(), _MOST):
        moved: list[Tensor] = []
        for where in (pairs[:, column], torch.ones_like(pairs[:, column])):
            after = _same(plain.returned((at, where)), old, stream)
            change = None if after is None else per_token(after - before, stream.ids.shape)
            if change is None:
                return count
            moved.append(change[:, column].float().norm(dim=-1).cpu()[:, None])
        count.add(pairs[:, column], torch.where(pairs[:, column], moved[0], moved[1]), column)
    return count


@dataclass(frozen=True, slots=True)
class _Plain:
    """Runs a model as it runs where nobody looks: no mode is on, and no module has a hook."""

    model: nn.Module
    run: Callable[[], object]
    streams: list[Tensor]
    lyings: Sequence[Lying]

    def returned(self, noise: tuple[int, Tensor] | None = None) -> list[Returned]:
        """Return what its modules return; nothing where no lookup of the tokens is seen.

        Args:
            noise: A stream, and the tokens whose embeddings are stretched and moved.
        """
        names = {module: name for name, module in self.model.named_modules()}
        found: list[Returned] = []
        lookups: list[Tensor] = []

        def note(module: nn.Module, args: Any, output: object) -> Any:  # noqa: ANN401
            moved = self._moved(args, output, noise, lookups)
            found.extend(
                Returned(names[module], type(module).__name__, tensor)
                for tensor in (tensors_of(output) if module in names else ())
                if tensor.is_floating_point()
            )
            return moved

        with torch.no_grad():
            handle = register_module_forward_hook(note)
            try:
                self.run()
            finally:
                handle.remove()
        return laid_out(found, self.lyings) if lookups else []

    def _moved(
        self,
        args: tuple[object, ...],
        output: object,
        noise: tuple[int, Tensor] | None,
        lookups: list[Tensor],
    ) -> Tensor | None:
        """Return what a lookup of the tokens returns instead."""
        indices = args[0] if args else None
        if not isinstance(indices, Tensor) or not isinstance(output, Tensor):
            return None
        if indices.is_floating_point() or output.dim() != indices.dim() + 1:
            return None
        where = place_of(indices.detach().cpu(), self.streams)
        if where is None:
            return None
        lookups.append(output)
        if noise is None or where[0] != noise[0]:
            return None
        laid = as_laid(noise[1].to(output), where[1])[..., None]
        if laid.shape[:-1] != output.shape[:-1]:
            return None
        return output + laid * (output.roll(1, -1) + output.std())


def _same(returned: Sequence[Returned], old: Returned, stream: Meant) -> Tensor | None:
    """Return what the same module returned."""
    for each in reversed(returned):
        fits = per_token(each.tensor, stream.ids.shape) is not None
        if each.module == old.module and fits and each.tensor.shape == old.tensor.shape:
            return each.tensor
    return None


def _close(one: Tensor, other: Tensor | None, stream: Meant) -> bool:
    """Return whether two answers agree at all real tokens."""
    both = [None if x is None else per_token(x.detach(), stream.ids.shape) for x in (one, other)]
    first, second = both
    if first is None or second is None:
        return False
    real = stream.real.to(first.device)
    values, others = first[real].float(), second[real].float()
    room = _CLOSE if first.dtype in {torch.float32, torch.float64} else 30 * _CLOSE
    return torch.allclose(values, others, rtol=0, atol=room * float(others.abs().max()))
