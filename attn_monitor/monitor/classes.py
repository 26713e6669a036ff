"""What every token of every probe adds to each class of a classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.capture import capture
from attn_monitor.capture.classes import ClassHead, find_class_head
from attn_monitor.capture.outputs import Outputs
from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.monitor.batches import BatchTokens


@dataclass(frozen=True, slots=True)
class ClassReader:
    """Reads a classifier's answers; made once per recording, from its first replay."""

    head: ClassHead

    @property
    def layer(self) -> ClassLayer:
        """The classes and how contributions are obtained."""
        return self.head.layer

    @property
    def needs_gradients(self) -> bool:
        """Whether the replay has to be run with gradients."""
        return self.head.linear is None

    def answers(self, outputs: Outputs, tokens: BatchTokens) -> dict[int, ClassAnswer]:
        """Return the answer to every sentence of a batch, by its row.

        Outputs must carry gradients where :attr:`needs_gradients`.
        """
        scores, hidden = outputs.answer, outputs.last_hidden
        if scores is None or hidden is None:
            return {}
        if self.needs_gradients:
            if not (hidden.requires_grad and scores.requires_grad):
                return {}  # a frozen encoder, or a step that runs without gradients
            added = tokens.source.sentences(_gradient_parts(scores, hidden))
        else:
            added = [self.head.linear_parts(states) for states in tokens.source.sentences(hidden)]
        return {
            row: ClassAnswer(scores=_numpy(scores[row]), contributions=_numpy(part))
            for row, part in enumerate(added)
        }


def find_classes(model: nn.Module, outputs: Outputs, tokens: BatchTokens) -> ClassReader | None:
    """Return how to read the classes of ``model``; ``None`` if it does not classify sentences.

    Args:
        model: The model that was replayed.
        outputs: What its forward pass ended with.
        tokens: The batch's tokens.
    """
    if outputs.last_hidden is None:
        return None
    head = find_class_head(model, outputs.answer, tokens.source.sentences(outputs.last_hidden))
    return None if head is None else ClassReader(head)


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
        with torch.enable_grad():  # a replay is a pass without gradients all around
            score = scores[:, at].sum()
        (gradient,) = torch.autograd.grad(score, hidden, retain_graph=True)
        parts.append((gradient * hidden).sum(dim=-1))
    return torch.stack(parts, dim=-1).detach()


def _numpy(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()
