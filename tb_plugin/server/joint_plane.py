"""Queries and keys of a head on one plane that is the same at every step. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.analysis.lens.headlens import speakers
from attn_monitor.analysis.lens.joint import JointBasis, joint_basis
from attn_monitor.analysis.lens.sample import TokenSample
from attn_monitor.analysis.lens.tags import TAGS
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.store import Run
from attn_monitor.store.lru import ByteLru
from tb_plugin.server.plain import plain
from tb_plugin.server.queries import HeadQuery
from tb_plugin.server.vectors import VectorReader, steps_with_vectors

MOST_BASIS_STEPS = 12


class JointReader:
    """Places vectors; remembers the planes."""

    def __init__(self, reader: VectorReader, cache_bytes: int) -> None:
        self._reader = reader
        self._bases = ByteLru[tuple[object, ...], tuple[JointBasis, int]](cache_bytes // 4)

    def describe(self, run: Run, query: HeadQuery) -> Mapping[str, object]:
        """Return where every query and key stands; see ``http_api.md``, ``/joint``.

        Raises:
            NotRecordedError: No vectors were recorded at this step, or the head diverged.
            CorruptRecordingError: A step's file is damaged.
        """
        vectors = self._reader.vectors(run, query)
        steps = steps_with_vectors(run, most=MOST_BASIS_STEPS)
        basis, basis_steps = self._basis(run, query, steps)
        asking, asked = self._reader.samples(run, query.part, vectors)
        return {
            "step": query.step,
            "part": query.part,
            "layer": query.layer,
            "head": query.head,
            "tags": list(TAGS),
            "tagger": speakers(asking, asked),
            "basis_steps": basis_steps,
            "explained": plain(basis.explained),
            "reach": basis.reach,
            "queries": _points(basis.place_queries(vectors.query), asking, vectors.query_probe),
            "keys": _points(basis.place_keys(vectors.key), asked, vectors.key_probe),
        }

    def _basis(self, run: Run, query: HeadQuery, steps: tuple[int, ...]) -> tuple[JointBasis, int]:
        writings = tuple(run.writing(step) for step in steps)
        identity = (run.session, query.part, query.layer, query.head)
        return self._bases.get(
            identity,
            lambda: self._make(run, query, steps),
            lambda made: 100 + made[0].axes.nbytes * 2,
            made_from=writings,
        )

    def _make(self, run: Run, query: HeadQuery, steps: tuple[int, ...]) -> tuple[JointBasis, int]:
        found = self._reader.all_vectors(run, query, steps)
        try:
            basis = joint_basis(
                [vectors.query.astype(float) for vectors in found],
                [vectors.key.astype(float) for vectors in found],
            )
        except ValueError as error:  # the analysis says what is wrong with the vectors
            raise NotRecordedError(str(error)) from error
        return basis, len(found)


def _points(
    places: Float[np.ndarray, "token 2"], sample: TokenSample, probe: Int[np.ndarray, " token"]
) -> Mapping[str, object]:
    return {
        "x": plain(places[:, 0].round(4)),
        "y": plain(places[:, 1].round(4)),
        "tag": plain(sample.tags),
        "word": list(sample.words),
        "probe": plain(probe),
    }
