"""What every token of every probe adds to each class of a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from attn_monitor.monitor.turning import Ends, Turn


@dataclass(frozen=True, slots=True)
class ClassReader:
    """Reads a classifier's answers; how it does so is decided anew at every step.

    Attributes:
        model: The model that is replayed.
        layer: The classes, and how contributions were obtained at the first replay.
        turn: Where the head begins, if gradients can be had from there on.
    """

    model: nn.Module
    layer: ClassLayer
    turn: Turn | None = None

    def answers(
        self, outputs: Outputs, tokens: BatchTokens, again: Callable[[], object] | None
    ) -> dict[int, ClassAnswer]:
        """Return the answer to every sentence of a batch, by its row.

        Args:
            outputs: What the forward pass ended with.
            tokens: The batch's tokens.
            again: Replays the batch, for a head that only gradients can tell about, where the
                forward pass did not keep them; ``None`` where it cannot be replayed as it was.
        """
        head = _head(self.model, outputs, tokens)
        if head is None or len(head.layer.names) != len(self.layer.names):
            return {}
        added = _added(head, outputs, tokens)
        if added is None and head.linear is None and again is not None:
            outputs = outputs_with_gradients(self.model, again)
            added = _added(head, outputs, tokens)
        scores = outputs.answer
        if added is None or scores is None:
            return {}  # a frozen encoder, or a step that runs without gradients
        return {
            row: ClassAnswer(
                scores=to_numpy(scores[row]), contributions=to_numpy(part), method=head.layer.method
            )
            for row, part in enumerate(added)
        }


def _added(head: ClassHead, outputs: Outputs, tokens: BatchTokens) -> Sequence[Tensor] | None:
    """Return what every token adds, by sentence; ``None`` where gradients are missing."""
    scores, hidden = outputs.answer, outputs.last_hidden
    if scores is None or hidden is None:
        return None
    if head.linear is not None:
        states = tokens.source.sentences(hidden.detach())
        return [head.linear_parts(sentence) for sentence in states]
    if not (hidden.requires_grad and scores.requires_grad):
        return None
    parts = _gradient_parts(scores, hidden)
    return None if parts is None else tokens.source.sentences(parts)


def find_classes(
    model: nn.Module, outputs: Outputs, tokens: BatchTokens, ends: Ends | None = None
) -> ClassReader | None:
    """Return how to read the classes of ``model``; ``None`` if it does not classify sentences.

    Args:
        model: The model that was replayed.
        outputs: What its forward pass ended with.
        tokens: The batch's tokens.
        ends: What the modules returned in that pass.
    """
    head = _head(model, outputs, tokens)
    if head is None or outputs.last_hidden is None:
        return None
    turn = None if ends is None else ends.turn(outputs.last_hidden)
    return ClassReader(model, head.layer, turn)


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
) -> Float[Tensor, "first second class"] | None:
    """Return gradient times hidden state, the last axis replaced by classes.

    ``None`` where the scores are not made of this tensor.
    """
    parts = []
    for at in range(scores.shape[1]):
        with torch.enable_grad():  # a replay is a pass without gradients all around
            score = scores[:, at].sum()
        gradients = torch.autograd.grad(score, hidden, retain_graph=True, allow_unused=True)
        if any(gradient is None for gradient in gradients):
            return None
        parts.append((gradients[0] * hidden).sum(dim=-1))
    return torch.stack(parts, dim=-1).detach()
