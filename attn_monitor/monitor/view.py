"""One sentence of one attention call, without its padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.capture import Record
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.maps import Maps, MapsByRows
from attn_monitor.core.nouns import Part, Probe
from attn_monitor.monitor.probes import ProbeBatch

LARGEST_LAYER: Final = 1 << 22  # weights of one layer and sentence that may exist at once: 16 MB


@dataclass(frozen=True, slots=True)
class View:
    """One sentence of one record, cropped to its valid tokens.

    Attributes:
        record: What the attention call did with a padded batch.
        part: The stream it belongs to.
        probe: The sentence.
        batch: The batch that was replayed.
        row: The sentence's position in it.
        logit_max: The largest scores of the record, where they are defined.
    """

    record: Record
    part: Part
    probe: Probe
    batch: ProbeBatch
    row: int
    logit_max: Float[np.ndarray, "sentence head"] | None

    @property
    def fits(self) -> bool:
        """Whether the attention call read the whole sentence."""
        queries, keys = self._spans()
        _, _, read, answered = self.record.shape
        return bool(queries.stop <= read and keys.stop <= answered)

    def maps(self) -> Maps:
        """Return the maps; those of a large layer are made a few rows at a time, now and here."""
        queries, keys = self._spans()
        shape = self.record.heads, queries.stop - queries.start, keys.stop - keys.start
        sentence = slice(self.row, self.row + 1)

        def rows(first: int, end: int) -> Float[np.ndarray, "head rows key"]:
            chosen = slice(queries.start + first, queries.start + end)
            return to_numpy(self.record.weights(sentence, rows=chosen)[0])[:, :, keys]

        large = MapsByRows(
            shape=shape,
            rows=rows,
            causal=self.part.causal,
            cross=self.part.kind == "cross",
            special=self.probe.axes(self.part)[1].special,
            key_tokens=self.probe.axes(self.part)[1].text,
            logit_max=None if self.logit_max is None else self.logit_max[self.row],
        )
        return large if np.prod(shape) > LARGEST_LAYER else large.held()

    def vectors(
        self,
    ) -> tuple[
        Float[np.ndarray, "head query d_head"],
        Float[np.ndarray, "head key d_head"],
        Float[np.ndarray, "head key d_value"],
    ]:
        """Return queries, keys and values; what a group of heads shares is repeated for each."""
        queries, keys = self._spans()
        query = to_numpy(self.record.query[self.row])[:, queries]
        key, value = (
            to_numpy(shared[self.row])[:, keys] for shared in (self.record.key, self.record.value)
        )
        return query, self._each_head(key), self._each_head(value)

    def _each_head(
        self, shared: Float[np.ndarray, "key_head key d"]
    ) -> Float[np.ndarray, "head key d"]:
        return np.repeat(shared, self.record.heads // len(shared), axis=0)

    def _spans(self) -> tuple[slice, slice]:
        """Return the columns of the valid query and key tokens in the padded batch."""
        query, key = self.probe.axes(self.part)
        source, target = self.batch.tokens.source, self.batch.tokens.target
        asking = target if target is not None and query is not self.probe.source else source
        answering = source if self.part.kind == "cross" else asking
        start, key_start = asking.starts[self.row], answering.starts[self.row]
        return slice(start, start + len(query)), slice(key_start, key_start + len(key))
