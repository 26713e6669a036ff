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
_TOLERANCE: Final = 1e-3  # of what the states add: rounding and no more
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
    the mean over tokens, the first or the last of the last hidden states: what the states add to
    its bias must agree within :data:`_TOLERANCE` of the largest such addition. A head that adds
    nothing, as one that starts at zero, proves nothing. Such a model, and another one that holds a
    linear layer with so many outputs, is read by its gradients. The answer is about this pass:
    training may make a head linear, or stop it from being so.

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
            if _reproduces(linear, pooled, scores):
                return ClassHead(layer=ClassLayer(names=names, method=method), linear=linear)
    if classes == sentences[0].shape[-1]:
        return None  # a pooled state, not scores
    return ClassHead(layer=ClassLayer(names=names, method="gradient"), linear=None)


def _reproduces(
    linear: nn.Linear, pooled: Float[Tensor, "sentence d"], scores: Float[Tensor, "sentence class"]
) -> bool:
    """Return whether a linear layer makes these scores of these states, beyond its bias."""
    with torch.no_grad():
        made, nothing = linear(pooled), linear(torch.zeros_like(pooled))
    allowed = max(_TOLERANCE, 2 * torch.finfo(scores.dtype).eps)
    for candidate, bias in ((made, nothing), (made.log_softmax(-1), nothing.log_softmax(-1))):
        added = float((candidate - bias).abs().max())
        wrong = float((candidate.float() - scores.detach().float()).abs().max())
        if added > 0 and wrong <= allowed * added:
            return True
    return False


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
