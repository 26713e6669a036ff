"""The maps of one attention call, for metrics: weights and largest scores in one pass."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.capture.causality import looks_causal
from attn_monitor.capture.record import Record
from attn_monitor.capture.rules import ModelWeights, WeightRule
from attn_monitor.capture.selection import Selection
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.maps import Maps, MapsByRows

_TOGETHER: Final = 1 << 19  # weights that are made at once: two megabytes, in the cache


def maps_of(record: Record) -> list[Maps]:
    """Return the maps of each sentence of a record, or of each window of one, padding included.

    Short ones are in memory. Of long ones some rows are made when they are asked for: they are to
    be reduced while the record may be read. ``MetricSet.compute_each`` reduces all of them.

    Example:
        >>> import torch
        >>> from attn_monitor import capture
        >>> from attn_monitor.analysis import registered_metrics
        >>> layer, tables = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval(), []
        >>> def reduce(record):
        ...     tables.extend(registered_metrics().compute_each(maps_of(record)))
        >>> words = torch.randn(3, 5, 8)
        >>> with torch.no_grad(), capture(layer, sink=reduce):
        ...     _ = layer(words, words, words)
        >>> len(tables), tables[0].shape == (2, len(registered_metrics()))
        (3, True)
    """
    sentences, *shape = record.shape
    cross = record.kind == "cross"
    if math.prod(record.shape) > _TOGETHER:
        each = (_Rows(record.rule, at) for at in range(sentences))
        causal = record.causal
        return [
            MapsByRows(
                shape=(shape[0], shape[1], shape[2]),
                rows=rows.made,
                causal=causal,
                cross=cross,
                logit_max=rows.largest,
            )
            for rows in each
        ]
    made, top = record.rule.with_largest(Selection())
    top = record.logit_max() if top is None else top
    causal = not cross and looks_causal(ModelWeights(tensor=made), record.shape) is True
    largest = None if top is None else to_numpy(top)
    return [
        Maps(
            attn=attn,
            causal=causal,
            cross=cross,
            logit_max=None if largest is None else largest[at],
        )
        for at, attn in enumerate(to_numpy(made))
    ]


class _Rows:
    """Makes rows of one sentence, and notes the largest score while they are read in order."""

    def __init__(self, rule: WeightRule, sentence: int) -> None:
        self._rule = rule
        self._sentence = sentence
        self._end = 0
        self._largest: Float[np.ndarray, " head"] | None = None

    def made(self, first: int, end: int) -> Float[np.ndarray, "head rows key"]:
        one = slice(self._sentence, self._sentence + 1)
        made, top = self._rule.with_largest(Selection(sentences=one, rows=slice(first, end)))
        if top is not None and first == self._end:
            found = to_numpy(top[0])
            known = self._largest
            self._largest = found if known is None else np.maximum(known, found)
            self._end = end
        return to_numpy(made[0])

    def largest(self) -> Float[np.ndarray, " head"] | None:
        if self._end == self._rule.shape[2]:
            return self._largest
        top = self._rule.logit_max()
        return None if top is None else to_numpy(top[self._sentence])
