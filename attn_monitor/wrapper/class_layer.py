"""The class layer at the end of an encoder, and what each word adds to its answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from attn_monitor.capture import AttentionCapture
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.figures.planes import ClassNode

_MOST_CLASSES = 24
_AGREES = 1e-3  # of the largest logit: rounding in half precision and no more


def class_nodes(
    attention: AttentionCapture, *, sentence: int, names: Sequence[str] | None, tokens: int
) -> tuple[ClassNode, ...]:
    """Return the classes a model ends in, none if it does not end in a small linear layer.

    A logit is W p + b for the pooled state p. Where p is the first token's last state, the last
    token's, or a mean over tokens, that is a sum over tokens, and each token's part of it is
    exact. Which one it is shows by recomputing the answer; where none reproduces it (a pooler
    with an activation, dropout) the parts are not known.

    Args:
        attention: A captured pass.
        sentence: Which sentence of the batch.
        names: A name per class; numbers by default.
        tokens: How many tokens the sentence has without padding.

    Raises:
        ConfigurationError: Not one name per class.
    """
    answer, hidden = attention.outputs.answer, attention.outputs.last_hidden
    sentences = attention.records[0].shape[0]
    layer = _class_layer(attention.model, answer, sentences)
    if answer is None or layer is None:
        return ()
    logits = answer[sentence].detach().float()
    if names is not None and len(names) != len(logits):
        raise ConfigurationError(
            f"got {len(names)} names for the {len(logits)} outputs of the class layer"
        )
    parts = None if hidden is None else _parts(layer, hidden.detach(), logits, sentence, tokens)
    probabilities = logits if _sums_to_one(logits) else logits.softmax(0)
    return tuple(
        ClassNode(
            name=str(i + 1) if names is None else names[i],
            probability=float(probabilities[i]),
            shares=None if parts is None else parts[:, i].cpu().double().numpy(),
        )
        for i in range(len(logits))
    )


def _class_layer(model: nn.Module, answer: Tensor | None, sentences: int) -> nn.Linear | None:
    if answer is None or answer.dim() != 2 or len(answer) != sentences:  # noqa: PLR2004
        return None
    classes = answer.shape[1]
    if not 1 < classes <= _MOST_CLASSES:
        return None
    layers = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == classes]
    return layers[-1] if layers else None


def _parts(
    layer: nn.Linear, hidden: Tensor, logits: Tensor, sentence: int, tokens: int
) -> Tensor | None:
    """Return ``[token, class]``: what each token adds to each logit; ``None`` if not known."""
    for states in _orientations(hidden, sentence):
        if states.shape[1] != layer.in_features:
            continue
        added = states.float() @ layer.weight.detach().float().T
        for weights in _poolings(len(states), tokens, states.device):
            parts = weights[:, None] * added
            whole = parts.sum(0)
            if layer.bias is not None:
                whole = whole + layer.bias.detach().float()
            if (whole - logits).abs().max() <= _AGREES * max(float(logits.abs().max()), 1.0):
                return parts[:tokens]
    return None


def _orientations(hidden: Tensor, sentence: int) -> Iterator[Tensor]:
    """Yield the states of one sentence, batch first and batch second."""
    if hidden.dim() == 3:  # noqa: PLR2004
        if sentence < hidden.shape[0]:
            yield hidden[sentence]
        if sentence < hidden.shape[1]:
            yield hidden[:, sentence]


def _poolings(length: int, tokens: int, device: torch.device) -> Iterator[Tensor]:
    """Yield weights over tokens: the first, the last, the mean of all and of the valid ones."""
    for one in (0, tokens - 1, length - 1):
        weights = torch.zeros(length, device=device)
        weights[min(one, length - 1)] = 1
        yield weights
    for many in (length, min(tokens, length)):
        weights = torch.zeros(length, device=device)
        weights[:many] = 1 / many
        yield weights


def _sums_to_one(values: Tensor) -> bool:
    return bool((values >= 0).all()) and abs(float(values.sum()) - 1) < 1e-4  # noqa: PLR2004
