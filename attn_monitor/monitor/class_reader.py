"""What every token of every probe adds to each class of a classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.capture import capture
from attn_monitor.capture.class_head import ClassHead, find_class_head
from attn_monitor.capture.outputs import Outputs
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.monitor.batches import BatchTokens


@dataclass(frozen=True, slots=True)
class ClassReader:
    """Reads a classifier's answers; how it does so is decided anew at every step.

    Attributes:
        model: The model that is replayed.
        layer: The classes, and how contributions were obtained at the first replay.
    """

    model: nn.Module
    layer: ClassLayer

    def answers(
        self, outputs: Outputs, tokens: BatchTokens, again: Callable[[], object]
    ) -> dict[int, ClassAnswer]:
        """Return the answer to every sentence of a batch, by its row.

        Args:
            outputs: What the forward pass ended with.
            tokens: The batch's tokens.
            again: Replays the batch, for a head that only gradients can tell about.
        """
        head = _head(self.model, outputs, tokens)
        if head is None or len(head.layer.names) != len(self.layer.names):
            return {}
        if head.linear is None:
            outputs = outputs_with_gradients(self.model, again)
        scores, hidden = outputs.answer, outputs.last_hidden
        if scores is None or hidden is None:
            return {}
        if head.linear is not None:
            added = [head.linear_parts(states) for states in tokens.source.sentences(hidden)]
        elif hidden.requires_grad and scores.requires_grad:
            added = tokens.source.sentences(_gradient_parts(scores, hidden))
        else:
            return {}  # a frozen encoder, or a step that runs without gradients
        return {
            row: ClassAnswer(
                scores=to_numpy(scores[row]), contributions=to_numpy(part), method=head.layer.method
            )
            for row, part in enumerate(added)
        }


def find_classes(model: nn.Module, outputs: Outputs, tokens: BatchTokens) -> ClassReader | None:
    """Return how to read the classes of ``model``; ``None`` if it does not classify sentences.

    Args:
        model: The model that was replayed.
        outputs: What its forward pass ended with.
        tokens: The batch's tokens.
    """
    head = _head(model, outputs, tokens)
    return None if head is None else ClassReader(model, head.layer)


def _head(model: nn.Module, outputs: Outputs, tokens: BatchTokens) -> ClassHead | None:
    if outputs.last_hidden is None:
        return None
    with torch.no_grad():
        return find_class_head(model, outputs.answer, tokens.source.sentences(outputs.last_hidden))


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
