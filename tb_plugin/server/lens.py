"""HeadLens of one head: what its queries and keys stand for. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int
from threadpoolctl import threadpool_limits

from attn_monitor.analysis.lens import HeadLens, elbow_curve, head_lens
from attn_monitor.analysis.lens.headlens import Side
from attn_monitor.analysis.lens.limits import Limits, table_limits
from attn_monitor.analysis.lens.tags import TAGS
from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.store import HeadVectors, Run
from attn_monitor.store.lru import ByteLru
from tb_plugin.server.plain import plain
from tb_plugin.server.queries import LensQuery
from tb_plugin.server.vectors import VectorReader, probes_of, steps_with_vectors

MOST_LIMIT_STEPS = 4
_LIMITS_WEIGHT = 500


class LensReader:
    """Makes lenses whose clusters keep their numbers from step to step; remembers recent ones."""

    def __init__(self, reader: VectorReader, cache_bytes: int) -> None:
        self._lenses = ByteLru[tuple[object, ...], HeadLens](cache_bytes)
        self._reader = reader
        self._limits = ByteLru[tuple[object, ...], Limits](cache_bytes // 4)

    def describe(self, run: Run, query: LensQuery) -> Mapping[str, object]:
        """Return the lens of a head; see ``http_api.md``, ``/lens``.

        Raises:
            NotRecordedError: No vectors were recorded at this step, or the head diverged.
            CorruptRecordingError: The step's file is damaged.
        """
        vectors = self._reader.vectors(run, query)
        lens = self._lens(run, query)
        return {
            "step": query.step,
            "part": query.part,
            "layer": query.layer,
            "head": query.head,
            "tags": list(TAGS),
            "tagger": lens.tagger,
            "d_head": lens.d_head,
            "queries": _side(lens.queries, vectors.query_probe, vectors.query_position),
            "keys": _side(lens.keys, vectors.key_probe, vectors.key_position),
            "values": None
            if lens.values is None
            else _side(lens.values, vectors.key_probe, vectors.key_position),
            "products": plain(lens.products),
            "centred": plain(lens.centred),
            "mass": plain(lens.mass),
            "lift": plain(lens.lift),
            "value_mass": plain(lens.value_mass),
            "reads": plain(lens.reads),
            "limits": plain(self._limits_of(run, query)),
        }

    def describe_elbow(self, run: Run, query: LensQuery) -> Mapping[str, object]:
        """Return the inertia for several numbers of clusters; see ``http_api.md``, ``/elbow``."""
        vectors = self._reader.vectors(run, query)
        try:
            with threadpool_limits(1, user_api="openmp"):
                return {
                    "queries": plain(elbow_curve(vectors.query)),
                    "keys": plain(elbow_curve(vectors.key)),
                }
        except ValueError as error:  # a model that diverged: its vectors are not numbers
            raise NotRecordedError(str(error)) from error

    def _lens(self, run: Run, query: LensQuery) -> HeadLens:
        identity = (run.writing(query.step), query)
        lens = self._lenses.find(identity)
        if lens is None:
            lens = self._make(run, query)
            self._lenses.keep(identity, lens, _weight(lens))
        return lens

    def _limits_of(self, run: Run, query: LensQuery) -> Limits:
        """Return the reach of the head's tables over training, whichever step is asked for.

        Where none of the steps that stand for training can be read or has numbers, as when all of
        them are thinned meanwhile, that of the step itself, which is not remembered.
        """
        steps = steps_with_vectors(run, most=MOST_LIMIT_STEPS)
        writings = tuple(run.writing(step) for step in steps)
        identity = (run.session, query.part, query.layer, query.head, query.k)
        limits = self._limits.find(identity, made_from=writings)
        if limits is None:
            found = [v for v in self._reader.all_vectors(run, query, steps) if _is_finite(v)]
            limits = _limits(found or [self._reader.vectors(run, query)], k=query.k)
            if found:
                self._limits.keep(identity, limits, _LIMITS_WEIGHT, made_from=writings)
        return limits

    def _make(self, run: Run, query: LensQuery) -> HeadLens:
        vectors = self._reader.vectors(run, query)
        before = self._before(run, query)
        asking, asked = self._reader.samples(run, query.part, vectors)
        probes = [probe.index for probe in probes_of(run, vectors)]
        try:
            # A thousand tokens are too few to share: beside a training run that keeps all cores
            # busy, k-means with one thread was six times faster than with two.
            with threadpool_limits(1, user_api="openmp"):
                return head_lens(
                    vectors.query,
                    vectors.key,
                    query_tokens=asking,
                    key_tokens=asked,
                    values=vectors.value,
                    attn=_maps(run, query, probes),
                    k=query.k,
                    before=before if before and _same_tokens(before, vectors) else None,
                )
        except ValueError as error:  # the analysis says what is wrong with the vectors
            raise NotRecordedError(str(error)) from error

    def _before(self, run: Run, query: LensQuery) -> HeadLens | None:
        """Return the lens whose cluster numbers this one keeps.

        Not simply the step before: to jump to step 200 would then take 200 lenses. Clearing the
        lowest set bit of a step's place gives a chain of at most log2 lenses, the same for a step
        however the slider came there.
        """
        place = run.steps.index(query.step)
        while place:
            place &= place - 1
            try:
                return self._lens(run, replace(query, step=run.steps[place]))
            except (NotRecordedError, CorruptRecordingError):
                continue
        return None


def _maps(run: Run, query: LensQuery, probes: Sequence[int]) -> list[np.ndarray] | None:
    """Return the head's map on every sentence, ``None`` if one of them was not recorded."""
    try:
        return [
            run.attention(step=query.step, probe=probe, part=query.part, layer=query.layer)[
                query.head
            ]
            for probe in probes
        ]
    except (NotRecordedError, CorruptRecordingError):
        return None


def _is_finite(vectors: HeadVectors) -> bool:
    return bool(np.isfinite(vectors.query).all() and np.isfinite(vectors.key).all())


def _limits(found: Sequence[HeadVectors], *, k: int) -> Limits:
    with threadpool_limits(1, user_api="openmp"):
        return table_limits([v.query for v in found], [v.key for v in found], k=k)


def _same_tokens(before: HeadLens, vectors: HeadVectors) -> bool:
    return len(before.queries.clusters.labels) == len(vectors.query) and len(
        before.keys.clusters.labels
    ) == len(vectors.key)


def _side(
    side: Side, probe: Int[np.ndarray, " token"], position: Int[np.ndarray, " token"]
) -> Mapping[str, object]:
    """Return a side without its centroids, which nobody draws, and with where its tokens are."""
    return {
        "labels": plain(side.clusters.labels),
        "probe": plain(probe),
        "position": plain(position),
        "kept": side.clusters.kept,
        "agreement": side.clusters.agreement,
        "silhouette": side.silhouette,
        "profile": plain(side.profile),
    }


def _weight(lens: HeadLens) -> int:
    tokens = len(lens.queries.clusters.labels) + len(lens.keys.clusters.labels)
    return 8 * tokens + 4 * lens.products.nbytes + 50_000
