"""Answers the tab's questions about one run as the server does, with the same functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attn_monitor.store import Run
from tb_plugin.offline.questions import Question
from tb_plugin.server.analyses import Analyses
from tb_plugin.server.arrays import MapReader, metrics_frame
from tb_plugin.server.curves import CurvesQuery, describe_curves
from tb_plugin.server.describe import describe_classes, dump_json
from tb_plugin.server.params import integer, map_query, optional_integer, required, split


class Answers:
    """One run, which must not change meanwhile."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._maps = MapReader(0)  # nothing is asked twice
        analyses = Analyses()
        self._routes: Mapping[str, Callable[[Run, Mapping[str, str]], bytes]] = {
            "attention": lambda run, args: self._maps.frame(run, map_query(args)),
            "metrics": _metrics,
            "classes": _classes,
            "piles": analyses.piles,
            "lens": analyses.lens,
            "elbow": analyses.elbow,
            "over_time": analyses.over_time,
            "signals": lambda run, _args: analyses.signals(run),
            "curves": _all_curves,
        }

    def answer(self, question: Question) -> bytes:
        """Return what the server would send.

        Raises:
            NotRecordedError: The recording does not hold it.
            CorruptRecordingError: The step's file is damaged.
        """
        return self._routes[question.route](self._run, question.parameters)


def _classes(run: Run, args: Mapping[str, str]) -> bytes:
    step, probe = integer(args, "step"), integer(args, "probe")
    return dump_json(describe_classes(run, step=step, probe=probe))


def _all_curves(run: Run, args: Mapping[str, str]) -> bytes:
    """Return the curves of every metric: a page holds them once, whichever are chosen."""
    names = tuple(metric.name for metric in run.metrics)
    return dump_json(describe_curves(run, CurvesQuery(part=required(args, "part"), metrics=names)))


def _metrics(run: Run, args: Mapping[str, str]) -> bytes:
    part, probe = required(args, "part"), optional_integer(args, "probe")
    return metrics_frame(run, part=part, probe=probe, split=split(args))
