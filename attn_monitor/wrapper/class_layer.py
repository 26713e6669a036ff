"""The classes at the end of an encoder, and what each word adds to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from attn_monitor.capture import AttentionCapture
from attn_monitor.capture.class_head import ClassHead, find_class_head
from attn_monitor.capture.tensors import are_probabilities, to_numpy
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.figures.planes import ClassNode

_MOST_CLASSES = 24  # more names than these are not legible


def class_nodes(
    attention: AttentionCapture, *, sentence: int, names: Sequence[str] | None, tokens: int
) -> tuple[ClassNode, ...]:
    """Return the classes a model ends in; none if it does not end in a small linear layer.

    What words add is known where the answer is a linear function of the first, the last or the
    mean of their states; elsewhere (a pooler with an activation, dropout) it is not.

    Args:
        attention: A captured pass.
        sentence: Which sentence of the batch.
        names: A name per class; the model's own or numbers by default.
        tokens: How many tokens the sentence has without padding.

    Raises:
        ConfigurationError: Not one name per class.
    """
    answer, hidden = attention.outputs.answer, attention.outputs.last_hidden
    if answer is None or hidden is None or len(answer) != attention.records[0].shape[0]:
        return ()
    found = _read(attention, answer.detach(), hidden.detach(), sentence=sentence, tokens=tokens)
    if found is None:
        return ()
    head, states = found
    logits = answer[sentence].detach().float()
    if len(logits) > _MOST_CLASSES:
        return ()
    if names is not None and len(names) != len(logits):
        raise ConfigurationError(
            f"got {len(names)} names for the {len(logits)} outputs of the class layer"
        )
    with torch.no_grad():
        linear = head.linear is not None
        parts = to_numpy(head.linear_parts(states), torch.float64) if linear else None
    probabilities = logits if are_probabilities(logits) else logits.softmax(0)
    return tuple(
        ClassNode(
            name=head.layer.names[i] if names is None else names[i],
            probability=float(probabilities[i]),
            shares=None if parts is None else parts[:, i],
        )
        for i in range(len(logits))
    )


def _read(
    attention: AttentionCapture, answer: Tensor, hidden: Tensor, *, sentence: int, tokens: int
) -> tuple[ClassHead, Tensor] | None:
    """Return the class head and the sentence's states, in the orientation in which they fit."""
    found = None
    for states in _orientations(hidden, sentence):
        words = states[:tokens]
        with torch.no_grad():
            head = find_class_head(attention.model, answer[sentence : sentence + 1], [words])
        if head is not None and (found is None or head.linear is not None):
            found = head, words
            if head.linear is not None:
                break
    return found


def _orientations(hidden: Tensor, sentence: int) -> Iterator[Tensor]:
    """Yield the states of one sentence, batch first and batch second."""
    if hidden.dim() == 3:  # noqa: PLR2004
        if sentence < hidden.shape[0]:
            yield hidden[sentence]
        if sentence < hidden.shape[1]:
            yield hidden[:, sentence]
