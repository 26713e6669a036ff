"""Flat layouts of hand-written attention, brought to ``[sentence, head, token, ...]``."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from attn_monitor.capture.modules import ModuleStack
from attn_monitor.capture.moves import code_of
from attn_monitor.capture.origins import coordinate, reduced

_MATRIX: Final = 2
_STACKED: Final = 3


# What a pass that followed the tokens found stays true of passes that follow nothing.
_Heads = tuple[int, bool | None]
_KNOWN: Final[WeakKeyDictionary[nn.Module, dict[tuple[int, int, int], _Heads]]] = (
    WeakKeyDictionary()
)


class Fold(NamedTuple):
    """Heads that share keys, whose queries were laid one below the other to meet them at once.

    Attributes:
        sentences: How many there are.
        groups: Heads of the keys.
        heads: Heads that share the keys of one group.
        queries: Queries of each head.
        heads_first: In the weights, all queries of one head stand together; else all heads of one
            query do.
        asking_heads_first: Likewise in the queries.
    """

    sentences: int
    groups: int
    heads: int
    queries: int
    heads_first: bool
    asking_heads_first: bool

    def weights(self, tensor: Tensor) -> Tensor:
        """Return ``[sentence, head, query, ...]`` of ``[sentence * group, head * query, ...]``."""
        return self._apart(tensor, heads_first=self.heads_first)

    def asking(self, tensor: Tensor) -> Tensor:
        """Return queries likewise."""
        return self._apart(tensor, heads_first=self.asking_heads_first)

    def shared(self, tensor: Tensor) -> Tensor:
        """Return ``[sentence, group, key, ...]`` of ``[sentence * group, key, ...]``."""
        return tensor.reshape(self.sentences, -1, *tensor.shape[1:])

    def _apart(self, tensor: Tensor, *, heads_first: bool) -> Tensor:
        inner = (self.heads, self.queries) if heads_first else (self.queries, self.heads)
        split = tensor.reshape(self.sentences, self.groups, *inner, tensor.shape[-1])
        split = split if heads_first else split.transpose(2, 3)
        return split.reshape(self.sentences, -1, self.queries, tensor.shape[-1])


def fold_of(
    weights: Tensor,
    shape: tuple[int, ...] | None,
    modules: ModuleStack,
    pair: tuple[Tensor, Tensor],
) -> Fold | None:
    """Return how heads are folded into the rows of weights; ``None`` if they are not.

    Rows of one head on a grid look alike. So the rows must be about the same tokens again and
    again, or the running modules must declare as many heads.

    Args:
        weights: ``[sentence * group, head * query, key]``.
        shape: The last shape with four or more axes that the scores had on their way.
        modules: Says what the running modules declare, where nothing else tells.
        pair: What asks, ``[sentence * group, head * query, d_head]``, and what is asked; heads may
            stand apart there, ``[sentence * group * head, query, d_head]``.
    """
    if weights.dim() != _STACKED or shape is None or pair[0].dim() != _STACKED:
        return None
    split = _split(shape, weights)
    if split is None or not asks_for(pair[0], weights):
        return None
    sentences, groups, one, other = split
    known = _KNOWN.setdefault(modules.innermost()[1], {})
    queries = pair[0].shape[1]
    if queries == weights.shape[1]:
        heads, asking_first = _heads_of_rows(pair[0], one, other)
    elif queries in (one, other):
        heads, asking_first = one * other // queries, True
    else:
        return None
    if heads is None:
        heads, asking_first = _remembered(known, groups, one, other)
    else:
        known[groups, one, other] = heads, asking_first
    if heads is None:
        declared = {count for n in modules.declared_heads() for count in (n, n / groups)}
        single = 1 in (one, other) and not modules.asks_once()
        fitting = (size for size in (one, other) if size > 1 and size in declared)
        heads = 0 if single else next(fitting, 0)
    if not heads:
        return None
    first = None if one == other else one == heads
    folds = [
        Fold(sentences, groups, heads, one * other // heads, mine, its)
        for mine in ((True, False) if first is None else (first,))
        for its in ((True, False) if asking_first is None else (asking_first,))
    ]
    return folds[0] if len(folds) == 1 else max(folds, key=lambda f: _likeness(f, weights, pair))


def asks_for(asking: Tensor, weights: Tensor) -> bool:
    """Return whether a tensor holds as many queries as weights have rows, in any layout."""
    rows = math.prod(weights.shape[:-1])
    return asking.shape[-2] == weights.shape[-2] or math.prod(asking.shape[:-1]) == rows


def _heads_of_rows(asking: Tensor, one: int, other: int) -> tuple[int | None, bool | None]:
    """Return how many rows are about the same token, and whether those stand apart.

    ``None`` where it is not known whose tokens they are; no heads where no token comes again.
    """
    code = code_of(asking)
    tokens = None if code is None else reduced(code, [-1], lenient=True)[..., 0]
    if tokens is None or not all(bool((coordinate(tokens, at) >= 0).all()) for at in (0, 1)):
        return None, None
    for heads, queries in ((one, other), (other, one)):
        grid = tokens.reshape(-1, heads, queries)
        if heads > 1 and bool((grid == grid[:, :1]).all()):
            return heads, True
        grid = tokens.reshape(-1, queries, heads)
        if heads > 1 and bool((grid == grid[..., :1]).all()):
            return heads, False
    return 0, None


def _remembered(
    known: dict[tuple[int, int, int], _Heads], groups: int, one: int, other: int
) -> tuple[int | None, bool | None]:
    """Return what was found of these rows, or of others as long as they fit; else nothing."""
    if (groups, one, other) in known:
        return known[groups, one, other]
    fitting = {
        found for (g, *_), found in known.items() if g == groups and found[0] in {one, other}
    }
    return fitting.pop() if len(fitting) == 1 else (None, None)


def _likeness(fold: Fold, weights: Tensor, pair: tuple[Tensor, Tensor]) -> float:
    """Return how much the first sentence's weights look like its products, in this layout."""
    one = fold._replace(sentences=1)
    seen = one.weights(weights[: fold.groups].detach().float())
    keys = one.shared(pair[1][: fold.groups].detach().float())
    asked = keys.repeat_interleave(fold.heads, 1)
    scores = one.asking(pair[0][: fold.groups].detach().float()) @ asked.mT
    visible = seen > 0
    logs = torch.where(visible, seen.clamp_min(1e-38).log(), 0.0)
    count = visible.sum(-1, keepdim=True).clamp_min(1)
    mine, its = (
        torch.where(visible, t - torch.where(visible, t, 0.0).sum(-1, keepdim=True) / count, 0.0)
        for t in (logs, scores)
    )
    return float(torch.cosine_similarity(mine.flatten(), its.flatten(), dim=0))


def _split(shape: tuple[int, ...], weights: Tensor) -> tuple[int, int, int, int] | None:
    """Return sentences, groups and the two sizes that rows are made of; ``None`` if none fit."""
    stacked, rows, keys = weights.shape
    sizes = [shape[0], *(size for size in shape[1:] if size > 1)]
    if keys > 1 and sizes.pop() != keys:
        return None
    single = [[*sizes, 1]] if 1 in shape[1:-1] else []
    for *outer, one, other in (each for each in (sizes, *single) if len(each) > 1):
        if outer and (math.prod(outer), one * other) == (stacked, rows):
            return outer[0], math.prod(outer[1:]), one, other
    return None


def head_count(
    weights: Tensor, shape: tuple[int, ...] | None, modules: ModuleStack, asking: Tensor
) -> int:
    """Return how many heads a stack of attention matrices holds.

    Args:
        weights: ``[query, key]``, ``[sentence * head, query, key]`` or with separate axes.
        shape: The last shape with four or more axes that the scores had on their way.
        modules: Says what the running modules declare, where nothing else tells.
        asking: The queries or keys, ``[sentence * head, token, d_head]`` likewise.
    """
    if weights.dim() > _STACKED:
        return math.prod(weights.shape[1:-2])
    if weights.dim() == _MATRIX:
        return 1
    stacked = weights.shape[0]
    if shape is not None and math.prod(shape[:-2]) == stacked:
        same_matrices = set(shape[-2:]) == set(weights.shape[-2:])
        if same_matrices:
            return math.prod(shape[1:-2])
    return _seen_heads(asking, stacked) or modules.heads_of(stacked)


def _seen_heads(asking: Tensor, stacked: int) -> int | None:
    """Return how many maps one after the other are about the same tokens of the batch.

    ``None`` where it is not known whose tokens they are, or where those of a sentence do not lie
    one after the other.
    """
    code = code_of(asking)
    if code is None or asking.dim() != _STACKED or asking.shape[0] != stacked:
        return None
    tokens = reduced(code, [-1], lenient=True)[..., 0]
    if not bool((coordinate(tokens, 0) >= 0).any(dim=1).all()):
        return None
    rows = [tuple(row) for row in tokens.tolist()]
    lengths = [len(list(run)) for _, run in groupby(rows)]
    alike = len(set(lengths)) == 1 and len(set(rows)) == len(lengths)
    return lengths[0] if alike else None


def with_heads(tensor: Tensor, heads: int) -> Tensor:
    """Return ``[sentence, head, token, ...]`` from a matrix or a stack of matrices."""
    if tensor.dim() == _MATRIX:
        return tensor[None, None]
    if tensor.dim() == _STACKED:
        return tensor.reshape(tensor.shape[0] // heads, heads, *tensor.shape[1:])
    return tensor.reshape(tensor.shape[0], heads, *tensor.shape[-2:])
