"""Which tokens reach which outputs: by gradients, or by changing a token where these do not go."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from attn_monitor.monitor.audit.lying import Lying, asked, maybe, settled
from attn_monitor.monitor.audit.watched import Watched, from_laid, per_token

MOST_QUERIES: Final = 64  # of one stream: one backward pass each
SEED: Final = 0
WIDEST: Final = 8192  # entries of a hidden state; more are scores of words
Strengths = dict[int, Tensor]  # stream -> [sentence, column]: how much each token moves an output


def gradients(output: Tensor, at: list[Tensor], weights: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of a weighted sum of outputs; ``None`` where there are none.

    There are none where the outputs do not depend on it, where an operator has none, and where one
    wrote over what they need.
    """
    try:
        return torch.autograd.grad(output, at, weights, retain_graph=True, allow_unused=True)
    except RuntimeError:
        return (None,) * len(at)


@dataclass(slots=True)
class Reach:
    """Asks one watched pass what its outputs depend on.

    Attributes:
        seen: The pass.
        shapes: ``[sentence, column]`` of each stream.
        until: When to stop, by ``time.monotonic``.
    """

    seen: Watched
    shapes: list[torch.Size]
    until: float

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until

    def of(self, output: Tensor, where: Tensor) -> Strengths | None:
        """Return how much every token moves some entries of an output.

        Args:
            output: What a module returned, any view of it.
            where: Which of its entries, boolean, over its leading axes.

        Returns:
            The length of the gradient per token; ``None`` where no gradient comes back.
        """
        if not output.requires_grad:
            return None
        random = torch.Generator().manual_seed(SEED)
        leading = torch.randn(where.shape, generator=random) * where
        entries = torch.randn(output.shape[where.dim() :], generator=random)
        weights = leading.reshape(where.shape + (1,) * entries.dim()) * entries
        shifts = [lookup.shift for lookup in self.seen.lookups]
        grads = gradients(output, shifts, weights.to(output))
        found: Strengths = {}
        for lookup, grad in zip(self.seen.lookups, grads, strict=True):
            if grad is not None:
                shape = self.shapes[lookup.stream]
                size = from_laid(grad.detach().float().norm(dim=-1).cpu(), lookup.layout, shape)
                before = found.get(lookup.stream)
                found[lookup.stream] = size if before is None else torch.maximum(before, size)
        return found

    def last(self, stream: int, *, avoid: int | None = None) -> int | None:
        """Return the last returned tensor with an entry per token of a stream, after attention.

        Args:
            stream: Whose tokens; it depends on them.
            avoid: A stream that it must not depend on.
        """
        first = self._after(stream)
        for most in (WIDEST, None):  # what comes after the hidden states mixes no tokens
            for at in range(len(self.seen.returned) - 1, -1, -1):
                output = per_token(self.seen.returned[at].tensor, self.shapes[stream])
                if output is None or (most is not None and output.shape[2] > most):
                    continue
                reads = self._depends(output)
                if avoid is None and not reads:
                    return at  # cut off from its tokens: these are changed instead
                after = at >= first or self._mixes(output, stream)
                if stream in reads and avoid not in reads and after:
                    return at
        return None

    def lying(self, stream: int, real: Tensor) -> Lying | None:
        """Return how a stream's outputs lie, if no tensor after attention has one per token.

        Args:
            stream: Whose tokens.
            real: Which of them are no padding.
        """
        shape, first = self.shapes[stream], self._after(stream)
        late = self.seen.returned[first:] or self.seen.returned
        if any(per_token(r.tensor, shape) is not None for r in late if r.tensor.requires_grad):
            return None
        for returned in reversed(late):
            for lying in maybe(returned, shape):
                tensor, strongest = lying.of(returned).tensor, []
                if lying.kind == "longer":
                    rows = returned.tensor.shape[0] == shape[0]
                    tensor = returned.tensor if rows else returned.tensor.transpose(0, 1)
                for column in asked(lying, real):
                    where = torch.zeros(tensor.shape[:2], dtype=torch.bool)
                    where[0, column] = True
                    size = (self.of(tensor, where) or {}).get(stream)
                    if size is not None and bool((size[0] > 0).any()):
                        strongest.append((column, int(size[0].argmax())))
                if (found := settled(lying, strongest)) is not None:
                    return found
        return None

    def _after(self, stream: int) -> int:
        """Return how many tensors had been returned when attention first ran on a stream."""
        begun = min((x.at for x in self.seen.lookups if x.stream == stream), default=0)
        return min(
            (at for at in self.seen.attended if at >= begun), default=len(self.seen.returned)
        )

    def _mixes(self, output: Tensor, stream: int) -> bool:
        """Return whether the last output of any sentence depends on another token."""
        for column in {output.shape[1] - 1, output.shape[1] // 2}:
            where = torch.zeros(output.shape[:2], dtype=torch.bool)
            where[:, column] = True
            size = (self.of(output, where) or {}).get(stream)
            if size is not None and int((size > 0).sum(1).max()) > 1:
                return True
        return False

    def _depends(self, output: Tensor) -> set[int]:
        """Return which streams an output depends on at all."""
        found = self.of(output, torch.ones(output.shape[:1], dtype=torch.bool))
        return set() if found is None else {s for s, size in found.items() if bool(size.any())}
