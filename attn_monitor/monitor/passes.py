"""Which forward passes of a replay are over the sentence, where the model also generates text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from attn_monitor.capture import Call
from attn_monitor.monitor.batches import BatchTokens, Stream
from attn_monitor.monitor.failures import Failures

LEAST_GROWTH: Final = 3  # passes, each over one token more than the one before
REMEDY: Final = (
    "Say which pass to record, and spare each recording the others: "
    "AttentionMonitor(replay=lambda module, batch: module(batch[0])), with what your forward takes"
)
_Run = tuple[Call, ...]  # calls in a row of one module over the same numbers of tokens


def without_generation(
    calls: Sequence[Call], tokens: BatchTokens, failures: Failures
) -> list[Call]:
    """Return the calls of the pass over the sentence, in execution order.

    A step that generates text calls every layer over and over, each time for one token more. None
    of these passes is over the sentence as it stands in the batch; where they are seen, only calls
    that fit its tokens are kept, and the user is told once. All calls of any other step are kept.
    """
    runs = {
        module: _runs(call for call in calls if call.module == module) for module in _modules(calls)
    }
    grown = {module: _growing(found) for module, found in runs.items()}
    if not any(grown.values()):
        return list(calls)
    kept: set[tuple[str, int]] = set()
    for module, found in runs.items():
        fitting = [run for run in found if _fits(run[0], tokens)]
        whole = [run for run in fitting if run not in grown[module]]
        # Generation alone: its prompt, if that is the sentence, or the pass that arrived there.
        arrived = fitting[:1] if fitting[:1] == found[:1] else fitting[-1:]
        kept |= {call.key for run in whole or arrived for call in run}
    lengths = [run[0].keys for found in grown.values() for run in found]
    seen = f"the model read {min(lengths)} to {max(lengths)} tokens in passes that grow by one"
    if not kept:
        alone = any(found[0] in grown[name] and _trivial(found[0]) for name, found in runs.items())
        # What began with one token is best seen where the most of them are read.
        passes = (found[-1][-1:] if alone else found[0] for found in runs.values())
        kept = {call.key for run in passes for call in run}
        seen += ", and none over the sentence of the batch"
    failures.report(
        f"{seen}: validation_step seems to generate text, and generated passes are not recorded. "
        f"{REMEDY}",
        doing="looking for the pass over the sentence",
    )
    return [call for call in calls if call.key in kept]


def _trivial(run: _Run) -> bool:
    """Return whether a pass compares one token with itself, which says nothing."""
    return run[0].queries == run[0].keys == 1


def _modules(calls: Sequence[Call]) -> list[str]:
    return list(dict.fromkeys(call.module for call in calls))


def _runs(calls: Iterable[Call]) -> list[_Run]:
    return [tuple(run) for _, run in groupby(calls, lambda call: (call.queries, call.keys))]


def _growing(runs: Sequence[_Run]) -> list[_Run]:
    """Return the runs that are part of a chain in which every one reads one token more."""
    chain: list[_Run] = []
    found: list[_Run] = []
    for run in runs:
        axis = [
            one[0].keys if one[0].kind == "self" else one[0].queries for one in (*chain[-1:], run)
        ]
        if chain and axis[1] != axis[0] + 1:
            found += chain if len(chain) >= LEAST_GROWTH else []
            chain = []
        chain.append(run)
    return found + (chain if len(chain) >= LEAST_GROWTH else [])


def _fits(call: Call, tokens: BatchTokens) -> bool:
    streams = [stream for stream in (tokens.source, tokens.target) if stream is not None]
    return all(any(_holds(s, length) for s in streams) for length in (call.queries, call.keys))


def _holds(stream: Stream, length: int) -> bool:
    """Return whether attention over a stream may be this long; inputs may be shifted by one."""
    return stream.named and (stream.longest <= length <= stream.width or length == stream.width - 1)
