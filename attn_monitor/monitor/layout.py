"""Where every attention call of the model belongs, and which tokens lie along its axes.

Found once, by running the probe batches without keeping anything: from then on each call can be
reduced the moment it is seen, and nothing larger than one layer is ever held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, get_args

import torch
from torch import Tensor, nn

from attn_monitor.capture import (
    Call,
    Record,
    capture,
    describe_missing,
)
from attn_monitor.capture.lessons import Lesson
from attn_monitor.capture.missing import Gap, describe_gaps
from attn_monitor.capture.sources import Follower
from attn_monitor.core.errors import NothingCapturedError
from attn_monitor.core.nouns import Part, Probe, Proof, Split
from attn_monitor.monitor.axes import Axes, name_axes
from attn_monitor.monitor.batches import transposed
from attn_monitor.monitor.documents import Reach, reaching
from attn_monitor.monitor.entries import entries_of
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.guard import Replay, alone
from attn_monitor.monitor.images import ImagesOf, with_images
from attn_monitor.monitor.labels import Labels
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.passes import without_generation
from attn_monitor.monitor.probe_pieces import Piece
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.stand_in import settled
from attn_monitor.monitor.steady import steadied
from attn_monitor.monitor.texts import Key, Text, texts_of
from attn_monitor.monitor.tokens import TokenSource
from attn_monitor.monitor.trying import Observe, tried
from attn_monitor.monitor.words import ranked

SHOWN: Final[tuple[Split, ...]] = ("val", "train", "lens")  # the others have no words on screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a recording of this model on these probes looks like.

    Attributes:
        parts: The streams of attention, each with its layers.
        pieces: For each probe batch, (module, n-th call) of an attention call -> what it shows.
        known: Every attention call that was there when this was found, those that are not recorded
            among them.
        batches: The probe batches; their tokens fit the attention's axes.
        probes: The sentences in replay order.
        widths: Entries of a query, key or value vector in each part, of its widest layer.
        gaps: What ran, looks like attention, and was not captured.
        lessons: For each probe batch, what ran and what of it has to do with attention.
        certain: The runs that this was found by, with their batches, if they left nothing open.
    """

    parts: tuple[Part, ...]
    pieces: tuple[Mapping[Key, tuple[Piece, ...]], ...]
    known: frozenset[Key]
    batches: tuple[ProbeBatch, ...]
    probes: tuple[Probe, ...]
    widths: dict[str, int]
    gaps: tuple[Gap, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    certain: tuple[tuple[ProbeBatch, _Run], ...] = ()

    def part(self, name: str) -> Part:
        """Return the part of that name."""
        return next(part for part in self.parts if part.name == name)


def layout_as_chosen(
    model: nn.Module,
    batches: Sequence[ProbeBatch],
    replay: Replay,
    options: MonitorOptions,
    failures: Failures,
    *,
    before: Layout | None = None,
) -> Layout:
    """Return the layout under the words that the user chose; batches that cannot be replayed go.

    What is certain of some batches since an earlier layout is not found again, unless several
    processes train together: all must run the same, and what one is certain of another may not be.

    Raises:
        NothingCapturedError: As :func:`find_layout`.
    """
    return find_layout(
        model,
        settled(model, batches, replay, failures),
        replay,
        tokens=options.tokens,
        images=options.images,
        labels=options.labels(failures),
        failures=failures,
        certain=before.certain if before is not None and alone() else (),
    )


def find_layout(
    model: nn.Module,
    batches: Sequence[ProbeBatch],
    replay: Replay,
    *,
    tokens: TokenSource,
    images: ImagesOf | None = None,
    labels: Labels | None = None,
    failures: Failures,
    known: frozenset[Key] = frozenset(),
    certain: Sequence[tuple[ProbeBatch, _Run]] = (),
) -> Layout:
    """Run every probe batch once and return the layout of its attention, but for what is known.

    Batches of which all is certain are not run again.

    Raises:
        NothingCapturedError: No attention was seen; the message names what looks like it.
    """
    had = [next((run for one, run in certain if one is batch), None) for batch in batches]
    seen = [
        _run(model, batch, replay) if run is None else run
        for batch, run in zip(batches, had, strict=True)
    ]
    if known:
        seen = [replace(r, calls=tuple(c for c in r.calls if c.key not in known)) for r in seen]
    if not seen or not seen[0].calls:
        raise NothingCapturedError(describe_missing(model, seen[0].gaps if seen else ()))
    gaps = tuple(dict.fromkeys(gap for run in seen for gap in run.gaps))
    if gaps:
        failures.report(describe_gaps(gaps), doing="looking for attention")
    seen, loose = _steady(model, batches, replay, seen, failures, had=had)
    seen = [
        replace(run, calls=tried(batch, run.calls, run.seeds, _watching(model, replay), loose))
        if batch.split in SHOWN and before is None
        else run
        for batch, run, before in zip(batches, seen, had, strict=True)
    ]
    whole = [call for call in seen[0].calls if call.windows == 1]
    kept = without_generation(whole, batches[0].tokens, failures)
    if not kept:
        modules = ", ".join(sorted({call.module for call in seen[0].calls})[:4])
        raise NothingCapturedError(
            f"attention was seen in {modules}, but only inside windows, never over a whole "
            "sentence; windowed attention cannot be shown as sentences"
        )
    texts = texts_of([_causal_everywhere(call, seen) for call in kept], seen[0].names)
    turned = [_upright(batch, run) for batch, run in zip(batches, seen, strict=True)]
    named = [
        name_axes(
            texts,
            batch,
            run.calls,
            run.seeds,
            tokens=tokens,
            labels=labels,
            failures=failures,
            reaches=run.reaches,
            loose=loose,
        )
        for batch, run in zip(turned, seen, strict=True)
    ]
    parts = tuple(
        replace(
            text.part,
            rows=_weakest([axes.rows[text.part.name] for axes in named if _shown(axes)]),
            words=_weakest([axes.words[text.part.name] for axes in named if _shown(axes)]),
        )
        for text in texts
    )
    return Layout(
        parts=parts,
        pieces=tuple(axes.pieces for axes in named),
        known=frozenset(call.key for run in seen for call in run.calls),
        batches=tuple(axes.batch for axes in named),
        probes=_probes(named, images, failures),
        widths=_widths(texts, seen),
        gaps=gaps,
        lessons=tuple(Lesson() for _ in seen),
        certain=_certain(parts, batches, [] if loose else seen),
    )


def _certain(
    parts: Sequence[Part], batches: Sequence[ProbeBatch], runs: Sequence[_Run]
) -> tuple[tuple[ProbeBatch, _Run], ...]:
    """Return the runs with their batches, unless with other weights they could tell more."""
    told = all(call.tells for run in runs for call in run.calls)
    proofs = {proof for part in parts for proof in (part.rows, part.words)}
    return tuple(zip(batches, runs, strict=True)) if runs and told and proofs == {"seen"} else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One replay of a batch.

    Attributes:
        calls: Its attention calls.
        seeds: The tensors of the batch, with what they are called.
        sizes: Entries of a query and of a value vector of each call.
        reaches: How far the queries of each call reach; nothing where no words are shown.
        gaps: What ran, looks like attention, and was not captured.
    """

    calls: tuple[Call, ...]
    seeds: tuple[tuple[str, Tensor], ...]
    sizes: Mapping[Key, tuple[int, int]]
    reaches: Mapping[Key, Reach | None]
    gaps: tuple[Gap, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the batch's tensors are called."""
        return tuple(name for name, _ in self.seeds)


def _steady(
    model: nn.Module,
    batches: Sequence[ProbeBatch],
    replay: Replay,
    seen: Sequence[_Run],
    failures: Failures,
    *,
    had: Sequence[_Run | None],
) -> tuple[list[_Run], frozenset[Key]]:
    """Return the runs without what is known of tokens that other weights would put elsewhere.

    And the calls of which this is true. If the first batch has none, other batches are looked at
    again only where a row may be several documents: a saturated softmax leaves zeros, too.
    Those that were had before are steady.
    """
    runs, loose = list(seen), set[Key]()
    for at, (batch, run) in enumerate(zip(batches, seen, strict=True)):
        parts = any(reach is not None and reach.may_part for reach in run.reaches.values())
        again = had[at] is None and batch.split in SHOWN
        if not again or (at and not loose and not parts):
            continue
        other = run
        with suppress(Exception):  # a model need not bear numbers that are none of its own
            other = _run(model, batch, replay, shaking=True)
        calls, seeds, moved = steadied((run.calls, run.seeds), (other.calls, other.seeds))
        reaches = reaching(run.reaches, other.reaches)
        runs[at] = replace(run, calls=calls, seeds=seeds, reaches=reaches)
        loose |= moved
    if loose:
        modules = ", ".join(sorted({module for module, _ in loose})[:4])
        failures.report(
            f"which tokens {modules} reads, or in which order, changes with the weights. Nobody "
            "can say what stands where at the next step, so that positions are shown, not words",
            doing="matching tokens with attention",
        )
    return runs, frozenset(loose)


def _run(model: nn.Module, batch: ProbeBatch, replay: Replay, *, shaking: bool = False) -> _Run:
    calls: list[Call] = []
    sizes: dict[Key, tuple[int, int]] = {}
    reaches: dict[Key, Reach | None] = {}
    follower = Follower()

    def note(record: Record) -> None:
        calls.append(Call.of(record))
        sizes[record.module, record.call] = record.query.shape[-1], record.value.shape[-1]
        if batch.split in SHOWN:
            reaches[record.module, record.call] = Reach.of(record)

    with capture(model, sink=note, verify=not shaking, follower=follower, shaking=shaking) as seen:
        for name, tensor in ranked(batch):
            follower.add(name, tensor)
        replay(batch.input)
    if not calls and seen.errors:
        raise NothingCapturedError("; ".join(seen.errors))
    return _Run(
        calls=tuple(calls),
        seeds=tuple(follower.seeds),
        sizes=sizes,
        reaches=reaches,
        gaps=seen.gaps,
    )


def _watching(model: nn.Module, replay: Replay) -> Observe:
    """Return a function that replays a batch and says what every query and key is like."""

    def observe(given: object) -> dict[Key, tuple[Tensor, Tensor]]:
        found: dict[Key, tuple[Tensor, Tensor]] = {}

        def note(record: Record) -> None:
            found[record.module, record.call] = _digest(record.query), _digest(record.key)

        with capture(model, sink=note, verify=False):
            replay(given)
        return found

    return observe


def _digest(vectors: Tensor) -> Tensor:
    """Return ``[map, token]``: a number that differs where vectors do."""
    size = vectors.shape[-1]
    weights = torch.rand(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (vectors.double().cpu() @ weights).flatten(0, 1)


def _causal_everywhere(call: Call, runs: Sequence[_Run]) -> Call:
    """Return a call as causal only if it was on every batch that tells."""
    others = [c for run in runs for c in run.calls if c.key == call.key and c.tells]
    causal = bool(others) and all(other.causal for other in others)
    return replace(call, causal=causal, tells=bool(others))


def _upright(batch: ProbeBatch, run: _Run) -> ProbeBatch:
    """Return the batch with a sentence per row, where the model reads its columns as sentences."""
    source = batch.tokens.source
    first = next((entries_of(call) for call in run.calls), ())
    turns = Counter(entry.turned for entry in first if entry.row is not None)
    if not turns[True] > turns[False] or source.tensor is None or source.said:
        return batch
    tokens = transposed(batch.tokens)
    return replace(batch, tokens=tokens, rows=tuple(range(len(tokens)))[: len(batch.rows)])


def _shown(axes: Axes) -> bool:
    return axes.batch.split in SHOWN


def _weakest(proofs: Sequence[Proof]) -> Proof:
    return max(proofs, key=get_args(Proof).index)


def _widths(texts: Sequence[Text], runs: Sequence[_Run]) -> dict[str, int]:
    return {
        text.part.name: max(
            max(run.sizes[key]) for key in text.calls for run in runs if key in run.sizes
        )
        for text in texts
    }


def _probes(
    named: Sequence[Axes], images: ImagesOf | None, failures: Failures
) -> tuple[Probe, ...]:
    probes: list[Probe] = []
    for axes in named:
        sources = axes.sources
        if images is not None:
            batch = axes.batch
            everyone = [axes.filler] * len(batch.tokens)
            for row, tokens in zip(batch.rows, sources, strict=True):
                everyone[row] = tokens
            pictured = with_images(everyone, images, batch.batch, failures)
            sources = tuple(pictured[row] for row in batch.rows)
        for source, target, own, title in zip(
            sources, axes.targets, axes.own, axes.titles, strict=True
        ):
            probes.append(
                Probe(
                    index=len(probes),
                    split=axes.batch.split,
                    source=source,
                    target=target,
                    own_axes=own,
                    title=title,
                )
            )
    return tuple(probes)
