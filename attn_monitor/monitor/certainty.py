"""How certain the model is of each sentence, and how large its last hidden states are."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attn_monitor.capture.outputs import Outputs
from attn_monitor.capture.tensors import are_probabilities, distributions, to_numpy
from attn_monitor.core.nouns import MetricSpec
from attn_monitor.monitor.batches import BatchTokens

OUTPUT_SPECS: Final = (
    MetricSpec(
        name="output_entropy",
        title="Output entropy",
        unit="share of ln(classes)",
        low=0.0,
        high=1.0,
        reading="0: certain of one class; 1: every class is as likely. Mean over valid tokens.",
    ),
    MetricSpec(
        name="confidence",
        title="Output confidence",
        unit="probability",
        low=0.0,
        high=1.0,
        reading="Probability of the most likely class. Mean over valid tokens.",
    ),
    MetricSpec(
        name="hidden_norm",
        title="Hidden norm",
        unit="norm / sqrt(d)",
        low=0.0,
        high=None,
        reading="Root mean square of the last hidden states' entries. Mean over valid tokens.",
    ),
)
_FEWEST_CLASSES: Final = 2
_BLOCK: Final = 1 << 18  # scores that are worked on at once: few enough for a processor's cache
_NONE: Final = -200.0  # exp of it is 0, and so is exp of it times it
_PER_SENTENCE: Final = 2  # axes: sentence, class


def output_statistics(
    outputs: Outputs, tokens: BatchTokens, wanted: Collection[int]
) -> Float[np.ndarray, "sentence statistic"]:
    """Return the numbers of :data:`OUTPUT_SPECS` per sentence of a batch, NaN where undefined.

    The model's answer is read as class scores, ``[sentence, class]`` or one per token, unless it
    is as wide as its hidden states: then it is taken for hidden states. Rows that are
    probabilities already are taken as they are.

    Args:
        outputs: What the forward pass ended with.
        tokens: The batch's tokens, to leave padding out.
        wanted: The sentences that are looked at; the others are NaN.
    """
    table = np.full((len(tokens), len(OUTPUT_SPECS)), np.nan, dtype=np.float32)
    answer, hidden = outputs.answer, outputs.last_hidden
    if answer is not None and answer.is_floating_point() and not _same_width(answer, hidden):
        if answer.dim() == _PER_SENTENCE and answer.shape[0] == len(tokens):
            if answer.shape[1] >= _FEWEST_CLASSES:
                rows = sorted(wanted)
                table[rows, :2] = to_numpy(_certainty_of_each(answer.detach()[rows]))
        else:
            for row, scores in enumerate(rows_of_sentences(answer, tokens)):
                if row in wanted and scores.shape[-1] >= _FEWEST_CLASSES and len(scores):
                    table[row, :2] = _certainty(scores)
    if hidden is not None and hidden.dim() >= _PER_SENTENCE:
        norms = hidden.detach().float().norm(dim=-1, keepdim=True) / math.sqrt(hidden.shape[-1])
        found = rows_of_sentences(norms, tokens)
        rows = [row for row, each in enumerate(found) if row in wanted and len(each)]
        if rows:
            table[rows, 2] = to_numpy(torch.stack([found[row].mean() for row in rows]))
    return table


def _certainty_of_each(scores: Float[Tensor, "row class"]) -> Float[Tensor, "row 2"]:
    """Return the entropy and the largest probability of every row."""
    known = distributions(scores)
    scores = scores.float()
    pairs = zip(_of_probabilities(scores), _of_scores(scores), strict=True)
    entropy, largest = (torch.where(known, one, other) for one, other in pairs)
    return torch.stack([entropy / math.log(scores.shape[-1]), largest], dim=-1)


def _certainty(scores: Float[Tensor, "token class"]) -> tuple[float, float]:
    """Return the mean entropy and the mean of the largest probability.

    A language model has tens of thousands of scores per token: they are read in blocks, so that
    nothing as large as all of them is made.
    """
    classes = scores.shape[-1]
    read = _of_probabilities if are_probabilities(scores) else _of_scores
    found = [read(block.float()) for block in scores.split(max(1, _BLOCK // classes))]
    entropy, largest = (torch.cat(each).mean() for each in zip(*found, strict=True))
    return float(entropy) / math.log(classes), float(largest)


def _of_probabilities(chance: Float[Tensor, "token class"]) -> tuple[Tensor, Tensor]:
    return torch.special.entr(chance).sum(dim=-1), chance.amax(dim=-1)


def _of_scores(scores: Float[Tensor, "token class"]) -> tuple[Tensor, Tensor]:
    below = (scores - scores.amax(dim=-1, keepdim=True)).clamp_(min=_NONE)
    shares = below.exp()
    total = shares.sum(dim=-1)
    return total.log() - shares.mul_(below).sum(dim=-1) / total, 1 / total


def _same_width(answer: Tensor, hidden: Tensor | None) -> bool:
    return hidden is not None and answer.shape[-1:] == hidden.shape[-1:]


def rows_of_sentences(values: Tensor, tokens: BatchTokens) -> list[Tensor]:
    """Return ``[token, entry]`` of each sentence; one row where there is one per sentence.

    An empty list if the tensor's axes are neither (sentence, entry) nor (sentence, token, entry)
    nor (token, sentence, entry) of this batch.
    """
    sentences = len(tokens)
    values = values.detach()
    if values.dim() == _PER_SENTENCE and values.shape[0] == sentences:
        return list(values[:, None])
    streams = [tokens.source] if tokens.target is None else [tokens.target, tokens.source]
    found = (stream.sentences(values) for stream in streams)
    return next((rows for rows in found if rows), [])
