"""Every question about one run: how it is read, what answers it, and what the answer changes with.

The tab's server and the offline page answer from this table; ``http_api.md`` describes each row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from attn_monitor.core.errors import CorruptRecordingError, NotRecordedError
from attn_monitor.store import Run
from tb_plugin.server.describe import Json, describe_classes, describe_run, dump_json
from tb_plugin.server.packed_frames import metrics_frame
from tb_plugin.server.queries import (
    Args,
    ClassesQuery,
    CurvesQuery,
    HeadQuery,
    LensQuery,
    MapQuery,
    MetricsQuery,
    OverTimeQuery,
    PilesQuery,
    RedundancyQuery,
    RunQuery,
)
from tb_plugin.server.readers import Readers

Query = TypeVar("Query")
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Query]):
    """One kind of question.

    Attributes:
        read: Reads the query from an address, or says what is wrong with it.
        answer: Answers it.
        changes: With what the answer does: ``"step"`` for one writing of the step that the query
            names, which never changes; ``"run"`` for whatever is recorded next.
        form: ``"json"``, or ``"frame"`` for the bytes of arrays.
    """

    read: Callable[[Args], Query]
    answer: Callable[[Readers, Run, Query], Json | bytes]
    changes: Literal["step", "run"]
    form: Literal["json", "frame"] = "json"


def answer(name: str, readers: Readers, run: Run, query: object) -> bytes:
    """Return the answer to a query that the route ``name`` has read.

    Args:
        name: A key of :data:`ROUTES`.
        readers: What to read with.
        run: A recording that does not change meanwhile.
        query: What ``ROUTES[name].read`` returned.

    Raises:
        NotRecordedError: The recording does not hold it.
        CorruptRecordingError: A file of it is damaged.
    """
    route = ROUTES[name]
    made_from = run.writing(query_step(query)) if route.changes == "step" else run.version
    identity = (name, run.session, query)
    known = readers.answers.find(identity, made_from=made_from)
    if known is not None:
        return known
    found = route.answer(readers, run, query)
    if isinstance(found, bytes):  # frames: maps are remembered layer by layer
        return found
    body = dump_json(found)
    readers.answers.keep(identity, body, len(body), made_from=made_from)
    return body


def answer_newest(
    name: str, readers: Readers, run: Run, query: object, *, newest: Callable[[], Run]
) -> tuple[bytes, Run]:
    """Return an answer, and the run as it was then.

    While training goes on, maps are thinned under a reader: what was there when it looked may be
    gone when it reads. Where that is so, the newest state of the run is asked.

    Args:
        name: A key of :data:`ROUTES`.
        readers: What to read with.
        run: The recording as it was last seen.
        query: What ``ROUTES[name].read`` returned.
        newest: Looks again.

    Raises:
        NotRecordedError: The recording does not hold it.
        CorruptRecordingError: A file of it is damaged.
    """
    for _ in range(_ATTEMPTS):
        try:
            return answer(name, readers, run, query), run
        except (NotRecordedError, CorruptRecordingError):
            again = newest()
            if again.version == run.version:
                raise
            run = again
    return answer(name, readers, run, query), run


def query_step(query: object) -> int:
    """Return the step that a query of a route that changes with a step names."""
    step: int = getattr(query, "step")  # noqa: B009 - tests hold it for every such route
    return step


def _run(_readers: Readers, run: Run, query: RunQuery) -> Json:
    return describe_run(run, query.run)


def _attention(readers: Readers, run: Run, query: MapQuery) -> bytes:
    return readers.maps.frame(run, query)


def _metrics(_readers: Readers, run: Run, query: MetricsQuery) -> bytes:
    return metrics_frame(run, part=query.part, probe=query.probe, split=query.split)


def _classes(_readers: Readers, run: Run, query: ClassesQuery) -> Json:
    return describe_classes(run, step=query.step, probe=query.probe)


def _piles(_readers: Readers, run: Run, query: PilesQuery) -> Json:
    from tb_plugin.server.piles import describe_piles  # noqa: PLC0415 - imports scipy

    return describe_piles(run, query)


def _redundancy(_readers: Readers, run: Run, query: RedundancyQuery) -> Json:
    from tb_plugin.server.redundant_heads import (  # noqa: PLC0415 - imports the analysis
        describe_redundancy,
    )

    return describe_redundancy(run, query)


def _lens(readers: Readers, run: Run, query: LensQuery) -> Json:
    return readers.lenses.describe(run, query)


def _elbow(readers: Readers, run: Run, query: LensQuery) -> Json:
    return readers.lenses.describe_elbow(run, query)


def _joint(readers: Readers, run: Run, query: HeadQuery) -> Json:
    return readers.joint.describe(run, query)


def _over_time(readers: Readers, run: Run, query: OverTimeQuery) -> Json:
    return readers.over_time.describe(run, query)


def _curves(readers: Readers, run: Run, query: CurvesQuery) -> Json:
    return readers.curves.describe(run, query)


def _signals(_readers: Readers, run: Run, _query: RunQuery) -> Json:
    from tb_plugin.server.signals import describe_signals  # noqa: PLC0415 - imports the analysis

    return describe_signals(run)


# Any: each row's query is its own; what one row reads, the same row answers.
ROUTES: Final[Mapping[str, Route[Any]]] = {
    "run": Route(read=RunQuery.of, answer=_run, changes="run"),
    "attention": Route(read=MapQuery.of, answer=_attention, changes="step", form="frame"),
    "metrics": Route(read=MetricsQuery.of, answer=_metrics, changes="run", form="frame"),
    "classes": Route(read=ClassesQuery.of, answer=_classes, changes="step"),
    "piles": Route(read=PilesQuery.of, answer=_piles, changes="step"),
    "redundancy": Route(read=RedundancyQuery.of, answer=_redundancy, changes="step"),
    "lens": Route(read=LensQuery.of, answer=_lens, changes="step"),
    "elbow": Route(read=LensQuery.of, answer=_elbow, changes="step"),
    "joint": Route(read=HeadQuery.of, answer=_joint, changes="run"),
    "over_time": Route(read=OverTimeQuery.of, answer=_over_time, changes="run"),
    "curves": Route(read=CurvesQuery.of, answer=_curves, changes="run"),
    "signals": Route(read=RunQuery.of, answer=_signals, changes="run"),
}
