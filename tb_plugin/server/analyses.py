"""The routes that compute: piles, lenses, topology, curves. Loaded when the first is asked for.

scipy, scikit-learn and gudhi take a second or two to import, and TensorBoard should not wait for
them before it shows its first page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from attn_monitor.analysis.piles.features import Scale
from attn_monitor.analysis.piles.tree import Linkage
from attn_monitor.analysis.topology.graph import Direction
from attn_monitor.store import Run
from attn_monitor.store.lru import ByteLru
from tb_plugin.server.curves import CurvesQuery, describe_curves
from tb_plugin.server.describe import dump_json
from tb_plugin.server.joint import JointReader
from tb_plugin.server.lens import LensQuery, LensReader
from tb_plugin.server.over_time import OverTimeQuery, OverTimeReader
from tb_plugin.server.params import (
    bounded,
    choice,
    integer,
    names,
    optional_integer,
    required,
    split,
)
from tb_plugin.server.piles import PilesQuery, describe_piles
from tb_plugin.server.signals import describe_signals
from tb_plugin.server.topology import TopologyQuery, describe_topology
from tb_plugin.server.vectors import HeadQuery, VectorReader

MOST_CLUSTERS = 64
MOST_CURVES = 16
_CACHE_BYTES = 32 * 2**20


class Analyses:
    """Answers as JSON; recent answers stay in memory, for a step's maps never change."""

    def __init__(self) -> None:
        vectors = VectorReader(_CACHE_BYTES)
        self._lenses = LensReader(vectors, _CACHE_BYTES)
        self._joint = JointReader(vectors, _CACHE_BYTES)
        self._over_time = OverTimeReader(_CACHE_BYTES)
        self._answers = ByteLru[tuple[object, ...], bytes](_CACHE_BYTES)

    def piles(self, run: Run, args: Mapping[str, str]) -> bytes:
        """Return the answer to ``/piles``."""
        query = PilesQuery(
            step=integer(args, "step"),
            part=required(args, "part"),
            split=split(args),
            linkage=choice(args, "linkage", get_args(Linkage)),
            scale=choice(args, "scale", get_args(Scale)),
        )
        return self._answer(run, query.step, query, lambda: describe_piles(run, query))

    def lens(self, run: Run, args: Mapping[str, str]) -> bytes:
        """Return the answer to ``/lens``."""
        query = _lens_query(args)
        return self._answer(run, query.step, query, lambda: self._lenses.describe(run, query))

    def elbow(self, run: Run, args: Mapping[str, str]) -> bytes:
        """Return the answer to ``/elbow``."""
        query = _lens_query(args)
        return self._answer(
            run, query.step, ("elbow", query), lambda: self._lenses.describe_elbow(run, query)
        )

    def joint(self, run: Run, args: Mapping[str, str]) -> bytes:
        """Return the answer to ``/joint``."""
        query = HeadQuery(
            step=integer(args, "step"),
            part=required(args, "part"),
            layer=integer(args, "layer"),
            head=integer(args, "head"),
        )
        return self._answer_for_now(run, query, lambda: self._joint.describe(run, query))

    def over_time(self, run: Run, args: Mapping[str, str]) -> bytes:
        """Return the answer to ``/over_time``."""
        query = OverTimeQuery(
            part=required(args, "part"),
            layer=integer(args, "layer"),
            head=integer(args, "head"),
            probe=integer(args, "probe"),
            split=split(args),
            cut=bounded(args, "cut", default=20, low=1, high=1000),
        )
        return self._answer_for_now(run, query, lambda: self._over_time.describe(run, query))

    def topology(self, run: Run, args: Mapping[str, str]) -> bytes:
        """Return the answer to ``/topology``."""
        query = TopologyQuery(
            step=integer(args, "step"),
            part=required(args, "part"),
            probe=integer(args, "probe"),
            layer=integer(args, "layer"),
            head=optional_integer(args, "head"),
            weight=choice(args, "weight", get_args(Direction)),
            least=bounded(args, "least", default=100, low=1, high=1000),
        )
        return self._answer(run, query.step, query, lambda: describe_topology(run, query))

    def curves(self, run: Run, args: Mapping[str, str]) -> bytes:
        """Return the answer to ``/curves``."""
        query = CurvesQuery(
            part=required(args, "part"),
            metrics=names(args, "metrics", most=MOST_CURVES),
            layer=optional_integer(args, "layer"),
            head=optional_integer(args, "head"),
        )
        return self._answer_for_now(run, query, lambda: describe_curves(run, query))

    def signals(self, run: Run) -> bytes:
        """Return the answer to ``/signals``."""
        return self._answer_for_now(run, "signals", lambda: describe_signals(run))

    def _answer_for_now(
        self, run: Run, query: object, make: Callable[[], Mapping[str, object]]
    ) -> bytes:
        """Answer what changes with every step that is recorded."""
        identity = (run.session, run.version, query)
        return self._answers.get(identity, lambda: dump_json(make()), len)

    def _answer(
        self, run: Run, step: int, query: object, make: Callable[[], Mapping[str, object]]
    ) -> bytes:
        identity = (run.session, run.attempt(step), query)
        return self._answers.get(identity, lambda: dump_json(make()), len)


def _lens_query(args: Mapping[str, str]) -> LensQuery:
    return LensQuery(
        step=integer(args, "step"),
        part=required(args, "part"),
        layer=integer(args, "layer"),
        head=integer(args, "head"),
        k=bounded(args, "k", default=16, low=2, high=MOST_CLUSTERS),
    )
