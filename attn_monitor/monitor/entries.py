"""The maps of one attention call, each with the tokens of the batch that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_monitor.capture import Call
from attn_monitor.capture.origins import coordinate
from attn_monitor.core.nouns import Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One sentence of an attention call.

    Attributes:
        matrices: Its maps, one per head, counted along ``[sentence, head]`` of the record.
        query: Codes of the tokens that ask; see :mod:`attn_monitor.capture.origins`.
        key: Codes of the tokens that are looked at.
        row: Which sentence of the batch it is; ``None`` where that is not known.
        text: Numbers of the tensors that its tokens come from, the queries' alone.
        turned: The batch holds tokens along its first axis and sentences along its second.
        tried: Its tokens were found by changing the batch, not by following it.
    """

    matrices: tuple[int, ...]
    query: Tensor
    key: Tensor
    row: int | None
    text: tuple[int, ...]
    turned: bool
    tried: bool = False


def entries_of(call: Call) -> tuple[Entry, ...]:
    """Return the sentences of a call, in the order of its maps.

    Where the maps of what was taken for the heads of one sentence are about different sentences,
    they are put together anew: each sentence gets the maps that are about its tokens.
    """
    shape = sentences, heads = call.sentences, call.heads
    natural = [tuple(range(s * heads, (s + 1) * heads)) for s in range(sentences)]
    sources = call.sources
    if sources is None or sources.query.shape[:2] != shape:
        nothing = torch.zeros(call.queries, dtype=torch.int64)
        keys = torch.zeros(call.keys, dtype=torch.int64)
        return tuple(
            Entry(matrices=m, query=nothing, key=keys, row=None, text=(), turned=False)
            for m in natural
        )
    query = sources.query.flatten(0, 1)
    repeats = heads // sources.key.shape[1]
    key = sources.key.repeat_interleave(repeats, dim=1).flatten(0, 1)
    rows, turned = _rows(query, key)
    torn = bool((sources.query != sources.query[:, :1]).any())
    crossed = _differ(rows.reshape(shape))
    grouped = natural
    if heads == 1 or torn or crossed:
        found = _regrouped(query, sources.digests.flatten().tolist())
        grouped = found or (_of_rows(rows.tolist(), heads) if crossed else natural)
    return tuple(
        Entry(
            matrices=m,
            query=query[m[0]],
            key=key[m[0]],
            row=int(rows[m[0]]) if rows[m[0]] >= 0 else None,
            text=tuple(n for n in coordinate(query[m[0]], 3).unique().tolist() if n >= 0),
            turned=bool(turned[m[0]]),
            tried=sources.tried,
        )
        for m in grouped
    )


def _rows(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Return which sentence of the batch each map is about, -1 where neither side tells.

    And whether the batch holds tokens along its first axis and sentences along its second.
    """
    rows, turned = _row_of_each(query)
    others, also_turned = _row_of_each(key)
    unknown = rows < 0
    return torch.where(unknown, others, rows), torch.where(unknown, also_turned, turned)


def _row_of_each(code: Tensor) -> tuple[Tensor, Tensor]:
    there = code != 0
    rows = torch.full((len(code),), -1)
    turned = torch.zeros(len(code), dtype=torch.bool)
    for which in (1, 0):  # what the first axis tells goes before what the second does
        found = coordinate(code, which)
        least = found.masked_fill(~there, torch.iinfo(found.dtype).max).amin(1)
        most = found.masked_fill(~there, -1).amax(1)
        one = (least == most) & (most >= 0)
        rows, turned = torch.where(one, most, rows), torch.where(one, which == 1, turned)
    return rows, turned


def _differ(rows: Tensor) -> bool:
    """Return whether what was taken for the heads of a sentence is known to be of several."""
    most = rows.amax(dim=1, keepdim=True)
    return bool(((rows >= 0) & (rows != most)).any())


def _regrouped(query: Tensor, digests: Sequence[float]) -> list[tuple[int, ...]] | None:
    """Return the maps of each sentence, where every one has as many; else ``None``.

    Maps over the same tokens are heads if they ask differently, else a sentence that came twice;
    where columns are not known they may be windows of one sentence.
    """
    known = (coordinate(query, 0) >= 0) & (coordinate(query, 1) >= 0)
    if not bool(known.any(dim=1).all()):
        return None
    members: dict[tuple[int, ...], list[int]] = {}
    for at, row in enumerate(query.tolist()):
        members.setdefault(tuple(row), []).append(at)
    for group in members.values():
        if len({digests[at] for at in group}) < len(group):
            return None
    groups = [tuple(group) for group in members.values()]
    return groups if len({len(group) for group in groups}) == 1 else None


def _of_rows(rows: Sequence[int], heads: int) -> list[tuple[int, ...]]:
    """Return the maps of each sentence where only its number in the batch is known.

    Several maps of one sentence are its heads if there are as many as was said; else they may be
    windows, and every map stands alone.
    """
    members: dict[int, list[int]] = {}
    for at, row in enumerate(rows):
        members.setdefault(row, []).append(at)
    if -1 not in members and {len(group) for group in members.values()} == {heads}:
        return [tuple(group) for group in members.values()]
    return [(at,) for at in range(len(rows))]


def by_row(entries: Sequence[Entry]) -> tuple[dict[int, Entry], Proof]:
    """Return the sentences by their number in the batch, and how that is known."""
    rows = [entry.row for entry in entries]
    if all(row is not None for row in rows):
        found: dict[int, Entry] = {}
        for row, entry in zip(rows, entries, strict=True):
            found.setdefault(row or 0, entry)
        return found, "tried" if any(entry.tried for entry in entries) else "seen"
    return dict(enumerate(entries)), "position"


def agree(first: Entry, later: Entry) -> bool:
    """Return whether two layers have the same tokens at the same places, as far as is known."""
    for one, other in ((first.query, later.query), (first.key, later.key)):
        if len(one) != len(other):
            return False
        known = torch.ones(len(one), dtype=torch.bool)
        for which in (0, 1, 3):
            known &= (coordinate(one, which) >= 0) & (coordinate(other, which) >= 0)
        if bool((one[known] != other[known]).any()):
            return False
    return True


def chains(layers: Sequence[Sequence[Call]]) -> Iterator[int]:
    """Yield, for every layer of a stack, which pass through the stack it belongs to.

    A layer that asks with what an earlier one answered goes on with that one's pass. One that does
    not, although it is a module that was called before, begins another: a second text.
    """
    seen: dict[int, int] = {}
    modules: list[set[str]] = []
    for layer in layers:
        known = [call.sources for call in layer if call.sources is not None]
        before = [n for sources in known for n in sources.query_passed if n in seen]
        names = {call.module for call in layer}
        if before:
            chain = seen[max(before)]
        else:
            free = (at for at, earlier in enumerate(modules) if not known or not names & earlier)
            chain = next(free, len(modules))
        if chain == len(modules):
            modules.append(set())
        modules[chain] |= names
        seen.update((sources.number, chain) for sources in known)
        yield chain


def layers_of(calls: Sequence[Call]) -> list[tuple[Call, ...]]:
    """Put together the calls that are the heads of one layer.

    They are modules side by side, or calls of one module, inside one call of the module around
    them; they read the same tokens, and none asks with what another answered.
    """
    layers: list[list[Call]] = []
    for call in calls:
        if layers and _beside(layers[-1][-1], call) and not _repeats(layers[-1], call):
            layers[-1].append(call)
        else:
            layers.append([call])
    return [tuple(layer) for layer in layers]


def _beside(one: Call, other: Call) -> bool:
    a, b = one.sources, other.sources
    if a is None or b is None or a.query_passed != b.query_passed or a.number + 1 != b.number:
        return False
    own = _own_modules(one.module, other.module)
    around = own > 0 and len(a.scope) > own and a.scope[:-own] == b.scope[:-own]
    alike = (one.queries, one.keys, one.heads) == (other.queries, other.keys, other.heads)
    same = torch.equal(a.query, b.query) and torch.equal(a.key, b.key)
    return around and alike and same


def _own_modules(one: str, other: str) -> int:
    """Return how many modules deep two paths differ in one number; 0 if they differ otherwise."""
    if one == other:
        return 1
    pairs = list(zip(one.split("."), other.split("."), strict=False))
    differ = [at for at, (a, b) in enumerate(pairs) if a != b]
    if one.count(".") != other.count(".") or len(differ) != 1:
        return 0
    numbers = all(part.isdigit() for part in pairs[differ[0]])
    return len(pairs) - differ[0] if numbers else 0


def _repeats(layer: Sequence[Call], call: Call) -> bool:
    """Return whether a call asks what another asked already: the same text once more."""
    return call.sources is not None and any(
        one.sources is not None and torch.equal(one.sources.digests, call.sources.digests)
        for one in layer
    )
