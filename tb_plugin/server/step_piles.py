"""One head over all recorded steps, in piles: where it changed. Knows no HTTP."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.piles.over_time import Sentences, StepPile, step_changes, step_piles
from attn_monitor.core.arrays import evenly_spread
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.maps import Maps
from attn_monitor.store import Run
from attn_monitor.store.lru import ByteLru
from attn_monitor.store.names import map_shape
from tb_plugin.server.head_maps import layer_of
from tb_plugin.server.means import probe_at, steps_at
from tb_plugin.server.plain import plain
from tb_plugin.server.queries import OverTimeQuery

MOST_SENTENCES = 8
MOST_BYTES = 2**26  # of a head's maps; beyond it fewer sentences, then fewer steps are compared
LARGEST_PICTURE = 96
THOUSANDTHS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """A head's maps at every step that has them, of the compared sentences and the shown one."""

    steps: tuple[int, ...]
    compared: tuple[Sentences, ...]
    shown: tuple[np.ndarray, ...]
    changes: Float[np.ndarray, " change"]


class OverTimeReader:
    """Piles the steps of a head; remembers what it read, since the cut is moved by a slider."""

    def __init__(self, cache_bytes: int) -> None:
        self._histories = ByteLru[tuple[object, ...], _History](cache_bytes)
        self._seen = ByteLru[tuple[object, ...], Maps](cache_bytes)  # while training goes on

    def describe(self, run: Run, query: OverTimeQuery) -> Mapping[str, object]:
        """Return the piles of a head's steps; see ``http_api.md``, ``/over_time``.

        Raises:
            NotRecordedError: No sentence has maps at all steps, or there is no such head.
            CorruptRecordingError: A step's file is damaged.
        """
        where = (query.part, query.layer, query.head, query.probe, query.split)
        history = self._histories.get(
            (run.session, *where),
            lambda: self._read(run, query),
            _weight,
            made_from=run.version,
        )
        piles = step_piles(history.compared, cut=query.cut / THOUSANDTHS)
        pictures = [_picture(history, pile) for pile in piles]
        return {
            "part": query.part,
            "layer": query.layer,
            "head": query.head,
            "probe": query.probe,
            "cut": query.cut / THOUSANDTHS,
            "sentences": len(history.compared[0]),
            "steps": list(history.steps),
            "changes": plain(history.changes),
            "shape": list(pictures[0].shape),
            "piles": [
                {
                    "first": pile.first,
                    "last": pile.last,
                    "codes": _codes(picture),
                    "nan_rows": np.flatnonzero(np.isnan(picture).any(axis=1)).tolist(),
                }
                for pile, picture in zip(piles, pictures, strict=True)
            ],
        }

    def _read(self, run: Run, query: OverTimeQuery) -> _History:
        heads = run.part(query.part).layers
        if not 0 <= query.layer < len(heads):
            raise NotRecordedError(
                f"no layer {query.layer} in part {query.part!r}; it has {len(heads)}, from 0"
            )
        if query.head >= heads[query.layer].heads:
            raise NotRecordedError(
                f"no head {query.head} in this layer; it has {heads[query.layer].heads}, from 0"
            )
        steps = tuple(step for step in steps_at(run, query.probe) if run.has_maps(step))
        most = max(2, MOST_BYTES // (2 * _bytes(run, query, query.probe)))
        if len(steps) > most:
            steps = tuple(steps[at] for at in evenly_spread(len(steps), most))
        compared: list[list[Maps]] = []
        held = 0
        for probe in run.probes:
            if probe.split == query.split and len(compared) < MOST_SENTENCES:
                held += len(steps) * _bytes(run, query, probe.index)
                if compared and held > MOST_BYTES:
                    break
                maps = self._maps(run, query, probe.index, steps)
                if maps is not None:
                    compared.append(maps)
        shown = self._maps(run, query, query.probe, steps)
        if not steps or not compared or shown is None:
            raise NotRecordedError(
                f"sentence {query.probe} or all {query.split} sentences lack maps at some of the "
                f"{len(steps)} steps that have any; choose a shorter sentence or raise budget_mb"
            )
        per_step: tuple[Sentences, ...] = tuple(zip(*compared, strict=True))
        return _History(
            steps=steps,
            compared=per_step,
            shown=tuple(maps.attn[0] for maps in shown),
            changes=step_changes(per_step),
        )

    def _maps(
        self, run: Run, query: OverTimeQuery, probe: int, steps: tuple[int, ...]
    ) -> list[Maps] | None:
        """Return the head's map of one sentence at every step, ``None`` where one is missing."""
        try:
            return [self._map(run, query, probe, step) for step in steps]
        except NotRecordedError:
            return None

    def _map(self, run: Run, query: OverTimeQuery, probe: int, step: int) -> Maps:
        def read() -> Maps:
            whole = layer_of(
                run, step=step, part=query.part, probe=probe_at(run, probe), layer=query.layer
            )
            # Copied, or one head would keep all of its layer in memory.
            return replace(whole, attn=whole.attn[[query.head]])

        identity = (run.writing(step), query.part, probe, query.layer, query.head)
        return self._seen.get(identity, read, lambda maps: maps.attn.nbytes)


def _bytes(run: Run, query: OverTimeQuery, probe: int) -> int:
    """Return the size of one head's map on a sentence, as floats."""
    _, _, queries, keys = map_shape(run.part(query.part), probe_at(run, probe))
    return 4 * queries * keys


def _picture(history: _History, pile: StepPile) -> Float[np.ndarray, "row column"]:
    """Return the mean map of a pile's steps on the shown sentence, at most 96 cells wide."""
    mean = np.mean(history.shown[pile.first : pile.last + 1], axis=0)
    for axis in (0, 1):
        size = mean.shape[axis]
        if size > LARGEST_PICTURE:
            starts = np.linspace(0, size, LARGEST_PICTURE, endpoint=False).astype(int)
            mean = np.maximum.reduceat(mean, starts, axis=axis)
    return np.asarray(mean)


def _codes(picture: Float[np.ndarray, "row column"]) -> str:
    """Return one byte per weight, ``(byte / 255)²``, as base64."""
    shares = np.sqrt(np.clip(np.nan_to_num(picture), 0, 1))
    return b64encode(np.rint(shares * 255).astype(np.uint8).tobytes()).decode("ascii")


def _weight(history: _History) -> int:
    compared = sum(maps.attn.nbytes for sentences in history.compared for maps in sentences)
    return compared + sum(maps.nbytes for maps in history.shown)
