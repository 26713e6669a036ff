"""Muting heads while a model runs: what they add to their layer is set to zero.

It is done to weights times values, right behind the product, so that it works whatever the kernel
is and whatever follows: a gate, a norm, a projection that is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

Call = tuple[str, int]  # a module's path, and its n-th attention call


class Muting:
    """Which heads are silent in one forward pass.

    Args:
        wanted: Attention call -> its silent maps, counted along ``[sentence, head]``.
        known: Attention calls that ``wanted`` may name. A fused kernel is known by the module
            around it: a call inside of that module is the same one.

    Attributes:
        done: The calls in which everything wanted was muted.
        seen: How many attention calls each module made.
    """

    def __init__(self, wanted: Mapping[Call, Collection[int]], known: frozenset[str]) -> None:
        self._wanted = wanted
        self._known = known
        self.done: set[Call] = set()
        self.seen: Counter[str] = Counter()

    def attended(self, module: str, mixed: Tensor | None, output: Tensor) -> None:
        """Mute what is wanted of an attention call that was just made.

        Args:
            module: The module that made it.
            mixed: ``[sentence, head, query, d_value]``: weights times values.
            output: The tensor that goes on through the model; ``mixed`` must be a view of it.
        """
        module = self.named(module)
        call = module, self.seen[module]
        self.seen[module] += 1
        matrices = self._wanted.get(call)
        if not matrices or mixed is None or not _same_memory(mixed, output):
            return
        sentences, heads = mixed.shape[:2]
        if max(matrices) >= sentences * heads:
            return
        places = torch.as_tensor(sorted(matrices), device=mixed.device)
        with torch.no_grad():
            mixed.detach()[places // heads, places % heads] = 0
        self.done.add(call)

    def named(self, module: str) -> str:
        """Return the known module that a call belongs to; its own module where none is known."""
        own = module
        while module and module not in self._known and "." in module:
            module = module.rpartition(".")[0]
        return module if module in self._known else own


def _same_memory(view: Tensor, whole: Tensor) -> bool:
    if view.is_nested or whole.is_nested:
        return False
    return view.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
