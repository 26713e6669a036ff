"""Where every attention call of the model belongs, and which tokens lie along its axes.

Found once, by running the probe batches without keeping anything: from then on each call can be
reduced the moment it is seen, and nothing larger than one layer is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import nn

from attn_monitor.capture import Call, Record, arrange, capture, describe_missing
from attn_monitor.core.errors import NothingCapturedError, TokenLengthError
from attn_monitor.core.nouns import Part, Probe, Tokens
from attn_monitor.monitor.batches import BatchTokens, Stream
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.images import ImagesOf, with_images
from attn_monitor.monitor.passes import without_generation
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.tokens import TokenSource, positions, spell

Replay = Callable[[object], object]
Place = tuple[str, int]  # part name, layer index


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a recording of this model on these probes looks like.

    Attributes:
        parts: The streams of attention, each with its layers.
        places: (module, n-th call) of an attention call -> (part, layer).
        batches: The probe batches; their tokens fit the attention's axes.
        probes: The sentences in replay order.
        widths: Entries of a query, key or value vector in each part; a part whose layers differ in
            it is missing, its vectors cannot be kept in one array.
    """

    parts: tuple[Part, ...]
    places: dict[tuple[str, int], Place]
    batches: tuple[ProbeBatch, ...]
    probes: tuple[Probe, ...]
    widths: dict[str, int]

    def part(self, name: str) -> Part:
        """Return the part of that name."""
        return next(part for part in self.parts if part.name == name)


def find_layout(
    model: nn.Module,
    batches: Sequence[ProbeBatch],
    replay: Replay,
    *,
    tokens: TokenSource,
    images: ImagesOf | None = None,
    failures: Failures,
) -> Layout:
    """Run every probe batch once and return the layout of its attention.

    Raises:
        NothingCapturedError: No attention was seen; the message names what looks like it.
    """
    sizes: dict[tuple[str, int], tuple[int, int]] = {}
    seen = [_calls(model, batch, replay, sizes) for batch in batches]
    if not seen or not seen[0]:
        raise NothingCapturedError(describe_missing(model))
    whole = [call for call in seen[0] if call.windows == 1]
    kept = without_generation(whole, batches[0].tokens, failures)
    if not kept:
        modules = ", ".join(sorted({call.module for call in seen[0]})[:4])
        raise NothingCapturedError(
            f"attention was seen in {modules}, but only inside windows, never over a whole "
            "sentence; windowed attention cannot be shown as sentences"
        )
    places, parts = arrange(kept)
    fitted = tuple(
        replace(
            batch, tokens=_fit(batch.tokens, calls, places=places, parts=parts, failures=failures)
        )
        for batch, calls in zip(batches, seen, strict=True)
    )
    return Layout(
        parts=parts,
        places=places,
        batches=fitted,
        probes=_probes(fitted, tokens, images, failures),
        widths=_widths(places, sizes),
    )


def _calls(
    model: nn.Module,
    batch: ProbeBatch,
    replay: Replay,
    sizes: dict[tuple[str, int], tuple[int, int]],
) -> list[Call]:
    calls: list[Call] = []

    def note(record: Record) -> None:
        calls.append(Call.of(record))
        sizes[record.module, record.call] = record.query.shape[-1], record.value.shape[-1]

    with capture(model, sink=note, verify=True) as seen:
        replay(batch.batch)
    if not calls and seen.errors:
        raise NothingCapturedError("; ".join(seen.errors))
    return calls


def _widths(
    places: dict[tuple[str, int], Place], sizes: dict[tuple[str, int], tuple[int, int]]
) -> dict[str, int]:
    found: dict[str, set[tuple[int, int]]] = {}
    for call, (part, _) in places.items():
        found.setdefault(part, set()).add(sizes[call])
    return {part: max(widths.pop()) for part, widths in found.items() if len(widths) == 1}


def _fit(
    tokens: BatchTokens,
    calls: Sequence[Call],
    *,
    places: dict[tuple[str, int], Place],
    parts: Sequence[Part],
    failures: Failures,
) -> BatchTokens:
    """Cut the tokens to the attention's axes, or number them where they cannot fit."""
    named = {part.name: part for part in parts}
    two_streams = "cross" in named and tokens.target is not None
    axes: dict[str, set[int]] = {"source": set(), "target": set()}
    for call in calls:
        place = places.get((call.module, call.call))
        if place is None:
            continue
        part = named[place[0]]
        reads_target = two_streams and (part.kind == "cross" or part.name == "decoder")
        axes["target" if reads_target else "source"].add(call.queries)
        axes["source" if part.kind == "cross" or not reads_target else "target"].add(call.keys)
    source = _fit_stream(tokens.source, axes["source"], "source", failures)
    if not two_streams or tokens.target is None:
        # Labels per token look like a second stream until no cross-attention turns up.
        return BatchTokens(source=source)
    return BatchTokens(
        source=source, target=_fit_stream(tokens.target, axes["target"], "target", failures)
    )


def _fit_stream(stream: Stream, lengths: set[int], name: str, failures: Failures) -> Stream:
    if not lengths:
        return stream
    length = max(lengths)
    if not stream.named:
        return _numbered(stream, length)
    if stream.longest <= length <= stream.width:
        return stream
    if length == stream.width - 1:  # inputs shifted by one against labels: ids[:, :-1]
        return stream.clipped(length)
    error = TokenLengthError(
        f"the {name} tokens are {stream.longest} long, the attention over them {length}. Positions "
        "are shown instead of words. If the model adds tokens (a class token, say) or cuts them, "
        "return exactly the tokens it attends over from AttentionMonitor(describe_batch=...)"
    )
    failures.report(str(error), doing="matching tokens with attention")
    return _numbered(stream, length)


def _numbered(stream: Stream, length: int) -> Stream:
    sentences = len(stream.ids)
    numbers = positions(length).text
    return Stream(ids=(numbers,) * sentences, starts=(0,) * sentences, width=length)


def _probes(
    batches: Sequence[ProbeBatch],
    tokens: TokenSource,
    images: ImagesOf | None,
    failures: Failures,
) -> tuple[Probe, ...]:
    probes: list[Probe] = []
    for batch in batches:
        everyone = range(len(batch.tokens))
        spelled = [_spell(batch.tokens.source, row, tokens, failures) for row in everyone]
        sources = with_images(spelled, images, batch.batch, failures)
        for row in batch.rows:
            target = batch.tokens.target
            probes.append(
                Probe(
                    index=len(probes),
                    split=batch.split,
                    source=sources[row],
                    target=None if target is None else _spell(target, row, tokens, failures),
                )
            )
    return tuple(probes)


def _spell(stream: Stream, row: int, tokens: TokenSource, failures: Failures) -> Tokens:
    ids = stream.ids[row]
    try:
        return spell(ids, tokens)
    except Exception as error:  # noqa: BLE001  # a user's callable may raise anything
        failures.report(
            f"{type(error).__name__}: {error}", doing="turning ids into tokens", once=True
        )
        return positions(len(ids))
