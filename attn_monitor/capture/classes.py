"""The linear layer a classifier ends in, and what every token adds to its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.core.class_answer import ClassLayer, ContributionMethod

FEWEST, MOST = 2, 64
_TOLERANCE: Final = 1e-3  # rounding in half precision and no more
Pool = Callable[[Float[Tensor, "token d"]], Float[Tensor, " token"]]

# How much of a sentence's pooled state every token is.
_POOLS: Final[Mapping[ContributionMethod, Pool]] = {
    "linear_mean": lambda states: states.new_full((len(states),), 1.0 / len(states)),
    "linear_first": lambda states: _only(states, 0),
    "linear_last": lambda states: _only(states, len(states) - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassHead:
    """Where a model's class scores come from.

    Attributes:
        layer: The classes and how contributions are obtained.
        linear: The layer they are exact for; ``None`` where only gradients can tell.
    """

    layer: ClassLayer
    linear: nn.Linear | None

    def linear_parts(self, states: Float[Tensor, "token d"]) -> Float[Tensor, "token class"]:
        """Return what every token of a sentence adds to each class score, exactly.

        Args:
            states: The last hidden states of the sentence, without padding.

        Raises:
            TypeError: The head is not linear in them.
        """
        if self.linear is None:
            raise TypeError("contributions to this head are not a linear function of the states")
        pool = _POOLS[self.layer.method]
        return (states @ self.linear.weight.T) * pool(states)[:, None]


def find_class_head(
    model: nn.Module,
    scores: Tensor | None,
    sentences: Sequence[Float[Tensor, "_ d"]],
) -> ClassHead | None:
    """Return where a model's class scores come from; ``None`` if it does not classify sentences.

    A linear layer is taken for the head if it reproduces the scores (or their log-softmax) from
    the mean over tokens, the first or the last of the last hidden states. Another model that
    holds a linear layer with so many outputs is read by its gradients.

    Args:
        model: The model that ran.
        scores: Its answer, ``[sentence, class]`` for a classifier.
        sentences: The last hidden states of every sentence, without padding.
    """
    if scores is None or scores.dim() != FEWEST or not 0 < len(sentences) == len(scores):
        return None
    classes = scores.shape[1]
    ends = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == classes]
    if not FEWEST <= classes <= MOST or not ends:
        return None
    names = _names(model, classes)
    for linear in ends:
        if linear.in_features != sentences[0].shape[-1]:
            continue
        for method, pool in _POOLS.items():
            pooled = torch.stack([pool(states) @ states for states in sentences])
            if _same(linear(pooled), scores):
                return ClassHead(layer=ClassLayer(names=names, method=method), linear=linear)
    if classes == sentences[0].shape[-1]:
        return None  # a pooled state, not scores
    return ClassHead(layer=ClassLayer(names=names, method="gradient"), linear=None)


def _same(made: Tensor, scores: Tensor) -> bool:
    return any(
        torch.allclose(candidate.float(), scores.float(), rtol=_TOLERANCE, atol=_TOLERANCE)
        for candidate in (made, made.log_softmax(-1))
    )


def _only(states: Tensor, at: int) -> Tensor:
    share = states.new_zeros(len(states))
    share[at] = 1.0
    return share


def _names(model: nn.Module, classes: int) -> tuple[str, ...]:
    """Return the names a Hugging Face configuration has for the classes, else their numbers."""
    for module in model.modules():
        known = getattr(getattr(module, "config", None), "id2label", None)
        if isinstance(known, Mapping) and len(known) == classes:
            return tuple(str(known.get(at, f"class {at + 1}")) for at in range(classes))
    return tuple(f"class {at + 1}" for at in range(classes))
