"""What every token of a sentence adds to each class of a classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.capture import capture
from attn_monitor.capture.outputs import Outputs
from attn_monitor.core.classes import ClassAnswer, ClassLayer, ContributionMethod
from attn_monitor.monitor.batches import BatchTokens

FEWEST, MOST = 2, 64
_TOLERANCE: Final = 1e-3
_STATES_AXES: Final = 3
Pool = Callable[[Float[Tensor, "token d"]], Float[Tensor, " token"]]

# How much of a sentence's pooled state every token is.
_POOLS: Final[Mapping[ContributionMethod, Pool]] = {
    "linear_mean": lambda states: states.new_full((len(states),), 1.0 / len(states)),
    "linear_first": lambda states: _only(states, 0),
    "linear_last": lambda states: _only(states, len(states) - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReader:
    """Reads a classifier's answers; made once per recording, from its first replay.

    Attributes:
        layer: The classes and how contributions are obtained.
        head: The linear layer they are exact for; ``None`` where gradients are taken.
    """

    layer: ClassLayer
    head: nn.Linear | None

    def answers(self, outputs: Outputs, tokens: BatchTokens) -> dict[int, ClassAnswer]:
        """Return the answer to every sentence of a batch, by its row.

        Outputs must carry gradients where :attr:`needs_gradients`.
        """
        scores, hidden = outputs.answer, outputs.last_hidden
        if scores is None or hidden is None:
            return {}
        sentences = _sentences(hidden, tokens)
        if self.head is None:
            if not hidden.requires_grad:
                return {}  # a frozen encoder
            parts = _gradient_parts(scores, hidden)
            added = _sentences(parts, tokens)
        else:
            pool = _POOLS[self.layer.method]
            added = [self._linear_parts(states, pool) for states in sentences]
        return {
            row: ClassAnswer(scores=_numpy(scores[row]), contributions=_numpy(part))
            for row, part in enumerate(added)
        }

    @property
    def needs_gradients(self) -> bool:
        """Whether the replay has to be run with gradients."""
        return self.head is None

    def _linear_parts(self, states: Tensor, pool: Pool) -> Tensor:
        assert self.head is not None  # noqa: S101 - the caller looked
        return (states @ self.head.weight.T) * pool(states)[:, None]


def find_classes(model: nn.Module, outputs: Outputs, tokens: BatchTokens) -> ClassReader | None:
    """Return how to read the classes of ``model``; ``None`` if it does not classify sentences.

    A linear layer is taken for the head if it reproduces the answer (or its log-softmax) from the
    mean over valid tokens, the first or the last of the last hidden states. Other heads are read
    by gradient times hidden state.

    Args:
        model: The model that was replayed.
        outputs: What its forward pass ended with.
        tokens: The batch's tokens.
    """
    scores, hidden = outputs.answer, outputs.last_hidden
    if scores is None or hidden is None or scores.dim() != FEWEST or len(scores) != len(tokens):
        return None
    sentences = _sentences(hidden, tokens)
    classes = scores.shape[1]
    if not FEWEST <= classes <= MOST or len(sentences) != len(tokens):
        return None
    names = _names(model, classes)
    for module in model.modules():
        if isinstance(module, nn.Linear) and module.weight.shape == (classes, hidden.shape[-1]):
            for method, pool in _POOLS.items():
                pooled = torch.stack([pool(states) @ states for states in sentences])
                if _same(module(pooled), scores):
                    return ClassReader(layer=ClassLayer(names=names, method=method), head=module)
    return ClassReader(layer=ClassLayer(names=names, method="gradient"), head=None)


def outputs_with_gradients(model: nn.Module, replay: Callable[[], object]) -> Outputs:
    """Replay once more, so that the answer can be differentiated; no gradient is left behind."""
    with torch.enable_grad(), capture(model, sink=forget, verify=False) as attention:
        replay()
    return attention.outputs


def forget(record: object) -> None:
    """Take a record of attention and keep nothing of it."""
    del record


def _gradient_parts(
    scores: Float[Tensor, "sentence class"], hidden: Float[Tensor, "first second d_model"]
) -> Float[Tensor, "first second class"]:
    """Return gradient times hidden state, the last axis replaced by classes."""
    parts = []
    for at in range(scores.shape[1]):
        (gradient,) = torch.autograd.grad(scores[:, at].sum(), hidden, retain_graph=True)
        parts.append((gradient * hidden).sum(dim=-1))
    return torch.stack(parts, dim=-1).detach()


def _same(made: Tensor, scores: Tensor) -> bool:
    return any(
        torch.allclose(candidate.float(), scores.float(), rtol=_TOLERANCE, atol=_TOLERANCE)
        for candidate in (made, made.log_softmax(-1))
    )


def _only(states: Tensor, at: int) -> Tensor:
    share = states.new_zeros(len(states))
    share[at] = 1.0
    return share


def _sentences(hidden: Tensor, tokens: BatchTokens) -> list[Tensor]:
    """Return ``[token, entry]`` of every sentence without its padding; empty if axes do not fit."""
    stream = tokens.source
    if hidden.dim() != _STATES_AXES:
        return []
    for axes in (hidden, hidden.transpose(0, 1)):
        if axes.shape[:2] == (len(tokens), stream.width):
            spans = zip(stream.starts, stream.ids, strict=True)
            return [
                row[start : start + len(ids)] for row, (start, ids) in zip(axes, spans, strict=True)
            ]
    return []


def _names(model: nn.Module, classes: int) -> tuple[str, ...]:
    """Return the names a Hugging Face configuration has for the classes, else their numbers."""
    for module in model.modules():
        known = getattr(getattr(module, "config", None), "id2label", None)
        if isinstance(known, Mapping) and len(known) == classes:
            return tuple(str(known.get(at, f"class {at + 1}")) for at in range(classes))
    return tuple(f"class {at + 1}" for at in range(classes))


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
