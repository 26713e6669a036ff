"""Reads the forward pass of training batches: largest score, entropy, lengths of queries, keys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

from attn_monitor.capture import capture
from attn_monitor.capture.mode import CaptureMode
from attn_monitor.capture.record import Record
from attn_monitor.core.nouns import Part
from attn_monitor.core.remarks import NUMBERS, Reading
from attn_monitor.monitor.calls import is_compiled
from attn_monitor.monitor.failures import Failures

SAMPLED_SENTENCES: Final = 2  # whose rows the entropy is a mean of
SAMPLED_ROWS: Final = 16


class Growth:
    """Reads every n-th training step's own forward pass, which it leaves as it is.

    Args:
        model: What is trained.
        parts: The streams of attention that are recorded.
        every: Optimizer steps between two readings.
        failures: Where problems are reported.
        give: Takes each reading.
        replay: Runs the model on a kept training batch, for models whose compiled code cannot be
            looked into: running it as written would change what is trained.
        compiled: What :func:`compiled_so_far` returned before the first step of the training, if
            that was before this is made.
    """

    def __init__(
        self,
        model: nn.Module,
        parts: Sequence[Part],
        *,
        every: int,
        failures: Failures,
        give: Callable[[Reading], object],
        replay: Callable[[], object],
        compiled: int | None = None,
    ) -> None:
        self._model = model
        self._every = every
        self._failures = failures
        self._give = give
        self._replay = replay
        self._compiled = holds_compiled(model)
        self._compiled_before = compiled_so_far() if compiled is None else compiled
        self._shapes = {p.name: (len(p.layers), p.heads) for p in parts}
        self._places = {
            layer.name: (part.name, at) for part in parts for at, layer in enumerate(part.layers)
        }
        self._last = -1
        self._open: ExitStack | None = None
        self._found: dict[tuple[str, int], list[Tensor]] = {}
        self._step = -1

    def begins(self, step: int) -> None:
        """Look at the forward pass that comes next, if this step is due.

        Args:
            step: Optimizer steps taken; of several batches of one step the first is read.
        """
        if step % self._every or step <= self._last or self._open is not None:
            return
        self._last = self._step = step
        with self._failures.contained(f"reading the training batch at step {step}"):
            if self._compiled or compiled_so_far() > self._compiled_before:
                with self._reading():
                    self._replay()
                self._finish()
                return
            stack = ExitStack()
            stack.enter_context(self._reading())
            self._open = stack

    def ends(self, *, certainly: bool = False) -> None:
        """The forward pass is over.

        Args:
            certainly: The whole step is over; else what the step itself has opened is waited for.
        """
        if self._open is None:
            return
        if not certainly and not isinstance(_get_current_dispatch_mode(), CaptureMode):
            return
        stack, self._open = self._open, None
        with self._failures.contained(f"reading the training batch at step {self._step}"):
            stack.close()
            self._finish()

    @contextmanager
    def watching(self, step: int) -> Iterator[None]:
        """Look at the forward pass inside the ``with`` block, if this step is due."""
        self.begins(step)
        try:
            yield
        finally:
            self.ends(certainly=True)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._found = {}
        with capture(self._model, sink=self._note, verify=False):
            yield

    def _note(self, record: Record) -> None:
        place = self._place(record)
        if place is not None and record.heads <= self._shapes[place[0]][1]:
            self._found.setdefault(place, []).append(numbers_of(record))

    def _place(self, record: Record) -> tuple[str, int] | None:
        """Return the part and layer of a call; in training another module may make it.

        In evaluation a fused layer attends itself, in training the attention inside of it does.
        """
        name = f"{record.module}#{record.call}" if record.call else record.module
        exact = self._places.get(name, self._places.get(record.module))
        if exact is not None:
            return exact
        near = [
            place
            for known, place in self._places.items()
            if record.module.startswith(f"{known}.") or known.startswith(f"{record.module}.")
        ]
        return near[0] if len(near) == 1 else None

    def _finish(self) -> None:
        found, self._found = self._found, {}
        heads = {
            part: np.full((len(NUMBERS), *shape), np.nan, dtype=np.float32)
            for part, shape in self._shapes.items()
        }
        for (part, layer), several in found.items():
            stacked = torch.stack([each for each in several if each.shape == several[0].shape])
            # Of several passes of one step the largest score counts, of the rest the mean.
            values = torch.cat([stacked[:, :1].amax(0), stacked[:, 1:].mean(0)]).cpu().numpy()
            heads[part][:, layer, : values.shape[1]] = values
        if found:
            self._give(Reading(step=self._step, heads=heads))


def numbers_of(record: Record) -> Tensor:
    """Return what is read of one attention call: :data:`NUMBERS` of every head."""
    with torch.no_grad():
        scores = record.logit_max()
        if scores is None:
            top = torch.full((record.heads,), torch.nan, device=record.query.device)
        else:
            top = scores.amax(0).float()
            top = torch.where(top.isfinite(), top, torch.nan)
        rows = record.shape[2]
        some = slice(0, None, max(1, rows // SAMPLED_ROWS))
        weights = record.weights(slice(0, SAMPLED_SENTENCES), rows=some)
        entropy = torch.special.entr(weights).sum(-1).mean((0, 2))
        query, key = (x.float().norm(dim=-1).mean((0, 2)) for x in (record.query, record.key))
        key = key.repeat_interleave(max(1, record.heads // key.shape[0]))
        return torch.stack([x.float().to(top.device) for x in (top, entropy, query, key)])


def compiled_so_far() -> int:
    """Return how many functions were compiled in this process."""
    utils = sys.modules.get("torch._dynamo.utils")
    return 0 if utils is None else int(utils.counters["frames"]["total"])


def holds_compiled(model: nn.Module) -> bool:
    """Return whether a module, or a function that its class can name, is compiled."""
    forwards = {type(module).forward for module in model.modules()}
    names = [getattr(forward, "__globals__", {}) for forward in forwards]
    functions = (value for known in names for value in list(known.values()))
    own = (value for module in model.modules() for value in list(vars(module).values()))
    return any(is_compiled(module) for module in model.modules()) or any(
        hasattr(value, "_torchdynamo_orig_callable")
        for value in (*functions, *own)
        if callable(value)
    )
