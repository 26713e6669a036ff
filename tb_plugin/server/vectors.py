"""Reads queries and keys of a head and the words behind them; recent ones stay in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from attn_monitor.analysis.lens import TokenSample, sample_tokens
from attn_monitor.core.arrays import evenly_spread
from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.core.nouns import Probe, Tokens
from attn_monitor.store import HeadVectors, Run
from attn_monitor.store.lru import ByteLru
from tb_plugin.server.queries import HeadQuery


class VectorReader:
    """What every picture of a head's vectors starts from."""

    def __init__(self, cache_bytes: int) -> None:
        self._read = ByteLru[tuple[object, ...], HeadVectors](cache_bytes)
        self._samples = ByteLru[tuple[object, ...], TokenSample](cache_bytes // 4)

    def vectors(self, run: Run, query: HeadQuery) -> HeadVectors:
        """Return the vectors of a head over all sentences that have them.

        Raises:
            NotRecordedError: No vectors were recorded at this step, or there is no such head.
            CorruptRecordingError: The step's file is damaged.
        """
        step, part, layer, head = query.step, query.part, query.layer, query.head
        identity = (run.writing(step), part, layer, head)
        return self._read.get(
            identity,
            lambda: run.vectors(step=step, part=part, layer=layer, head=head),
            _weight,
        )

    def all_vectors(self, run: Run, query: HeadQuery, steps: Sequence[int]) -> list[HeadVectors]:
        """Return the vectors of a head at those of some steps whose files can be read.

        While training goes on, steps are thinned under a reader; a damaged step is no reason to
        show nothing of the others either.
        """
        found: list[HeadVectors] = []
        for step in steps:
            try:
                found.append(self.vectors(run, replace(query, step=step)))
            except (NotRecordedError, CorruptRecordingError):
                continue
        return found

    def samples(self, run: Run, part: str, vectors: HeadVectors) -> tuple[TokenSample, TokenSample]:
        """Return the words behind the queries and those behind the keys."""
        probes = probes_of(run, vectors)
        axes = [probe.axes(run.part(part)) for probe in probes]
        identity = (run.session, part, tuple(probe.index for probe in probes))
        return (
            self._sample((*identity, "query"), [axis[0] for axis in axes]),
            self._sample((*identity, "key"), [axis[1] for axis in axes]),
        )

    def _sample(self, identity: tuple[object, ...], tokens: Sequence[Tokens]) -> TokenSample:
        return self._samples.get(
            identity, lambda: sample_tokens(tokens), lambda sample: 200 * len(sample)
        )


def steps_with_vectors(run: Run, *, most: int) -> tuple[int, ...]:
    """Return steps that stand for all of training: evenly spread, first and last among them."""
    kept = [step for step in run.steps if run.has_vectors(step)]
    return tuple(kept[at] for at in evenly_spread(len(kept), most))


def _weight(vectors: HeadVectors) -> int:
    values = 0 if vectors.value is None else vectors.value.nbytes
    tokens = vectors.query_probe.nbytes + vectors.key_probe.nbytes
    return vectors.query.nbytes + vectors.key.nbytes + values + tokens


def probes_of(run: Run, vectors: HeadVectors) -> list[Probe]:
    """Return the sentences that vectors come from, in their order."""
    return [run.probe(index) for index in dict.fromkeys(vectors.query_probe.tolist())]
