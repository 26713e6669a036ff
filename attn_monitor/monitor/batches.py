"""Which tokens a batch holds, sentence by sentence, padding left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Final

import torch
from torch import Tensor

from attn_monitor.core.errors import BatchNotUnderstoodError
from attn_monitor.monitor.masks import is_binary, kept_by, names_a_mask

_PER_TOKEN: Final = 3  # axes: sentence, token, entry
Ids = tuple[int | str, ...]
Described = Tensor | Sequence[Sequence[int | str]]
DescribeBatch = Callable[[object], Described | tuple[Described, Described]]

SOURCE_KEYS = (
    "input_ids",
    "ids",
    "token_ids",
    "source_ids",
    "src",
    "source",
    "tokens",
    "x",
    "inputs",
)
TARGET_KEYS = ("decoder_input_ids", "target_ids", "tgt", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One row of tokens per sentence, as they lie in the batch.

    Attributes:
        ids: Token ids or strings per sentence, padding left out.
        starts: Column of each sentence's first token (not 0 with left padding).
        width: Columns of the padded batch.
        named: Somebody knows the tokens; else there is one entry per sentence, of no meaning.
        tensor: The ids as the batch holds them; ``None`` for strings.
        said: The user described them.
    """

    ids: tuple[Ids, ...]
    starts: tuple[int, ...]
    width: int
    named: bool = True
    tensor: Tensor | None = field(default=None, compare=False, repr=False)
    said: bool = field(default=False, compare=False)

    @property
    def longest(self) -> int:
        """The column after the last valid token of any sentence."""
        ends = (start + len(ids) for start, ids in zip(self.starts, self.ids, strict=True))
        return max(ends, default=0)

    def clipped(self, width: int) -> Stream:
        """Return the same sentences without what lies beyond column ``width``."""
        pairs = zip(self.starts, self.ids, strict=True)
        ids = tuple(row[: max(0, width - start)] for start, row in pairs)
        return Stream(ids=ids, starts=self.starts, width=min(width, self.width))

    def sentences(self, values: Tensor) -> list[Tensor]:
        """Return ``[token, entry]`` of every sentence of this stream, its padding left out.

        Args:
            values: ``[sentence, column, entry]`` or ``[column, sentence, entry]``; of any other
                tensor there are none.
        """
        if values.dim() != _PER_TOKEN:
            return []
        for axes in (values, values.transpose(0, 1)):
            if axes.shape[:2] == (len(self.ids), self.width):
                spans = zip(axes, self.starts, self.ids, strict=True)
                return [row[start : start + len(ids)] for row, start, ids in spans]
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTokens:
    """The tokens of every sentence of a batch.

    Attributes:
        source: What an encoder, or a model with a single stream, reads.
        target: A second stream of ids. Whether it is a decoder's input or merely a label per
            token shows only when the model runs: without cross-attention it is dropped.
    """

    source: Stream
    target: Stream | None = None

    def __len__(self) -> int:
        return len(self.source.ids)


def describe(
    batch: object, *, pad_id: int | None = None, describe_batch: DescribeBatch | None = None
) -> BatchTokens:
    """Return the tokens of ``batch``.

    Understood are Hugging Face style mappings (``input_ids``, ``attention_mask``,
    ``decoder_input_ids``), also inside another mapping or as a dataclass, ``(tokens, labels)``
    and ``(source, target)`` tuples of integer tensors ``[sentence, token]``, such a tensor alone,
    and whatever ``describe_batch`` returns.

    Args:
        batch: What the data loader yields.
        pad_id: Token id of padding; trailing (or, for left padding, leading) runs of it are cut.
        describe_batch: The user's own reading of a batch: token ids ``[sentence, token]`` or
            lists of ids or strings; a pair of these for (source, target).

    Raises:
        BatchNotUnderstoodError: The batch has another structure.
    """
    if describe_batch is not None:
        return _described(describe_batch(batch), pad_id)
    batch = _named(batch)
    if isinstance(batch, Mapping):
        return _mapping(batch, pad_id)
    if isinstance(batch, Tensor) and _is_ids(batch):
        return BatchTokens(source=_unpad(batch, pad_id))
    if isinstance(batch, list | tuple) and batch:
        return _sequence(batch, pad_id)
    raise _not_understood(batch)


def transposed(tokens: BatchTokens) -> BatchTokens:
    """Return the tokens of a batch whose ids are ``[token, sentence]``."""
    source, target = (
        None if stream is None or stream.tensor is None else _unpad(stream.tensor.mT, None)
        for stream in (tokens.source, tokens.target)
    )
    return BatchTokens(source=source or tokens.source, target=target)


def describe_any(
    batch: object, *, pad_id: int | None = None, describe_batch: DescribeBatch | None = None
) -> BatchTokens:
    """Return what :func:`describe` does, or as many nameless sentences as the batch seems to hold.

    Raises:
        BatchNotUnderstoodError: ``describe_batch`` returned something else than tokens, or there
            are neither tensors nor texts in the batch.
    """
    try:
        return describe(batch, pad_id=pad_id, describe_batch=describe_batch)
    except BatchNotUnderstoodError:
        if describe_batch is not None:
            raise
    sizes = [x.shape[0] for x in tensors_of(batch) if x.dim()] or list(texts_in(batch))
    if not sizes:
        raise _not_understood(batch)
    count = max(set(sizes), key=sizes.count)
    nameless = Stream(ids=(("?",),) * count, starts=(0,) * count, width=1, named=False)
    return BatchTokens(source=nameless)


def texts_in(batch: object) -> Iterator[int]:
    """Yield the lengths of the lists of texts in a batch: some models cut texts themselves."""
    batch = _named(batch)
    if isinstance(batch, Mapping | list | tuple):
        items = list(batch.values() if isinstance(batch, Mapping) else batch)
        if items and not isinstance(batch, Mapping) and all(isinstance(x, str) for x in items):
            yield len(items)
        for item in items:
            yield from texts_in(item)


def tensors_of(batch: object) -> Iterator[Tensor]:
    """Yield the tensors of a batch at any depth, in their order."""
    for _, tensor in named_tensors(batch):
        yield tensor


def named_tensors(batch: object, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a batch at any depth, each with where it lies: ``anchor.input_ids``."""
    batch = _named(batch)
    if isinstance(batch, Tensor):
        yield path, batch
    elif isinstance(batch, Mapping | list | tuple):
        items = batch.items() if isinstance(batch, Mapping) else enumerate(batch)
        for name, item in items:
            yield from named_tensors(item, f"{path}.{name}" if path else str(name))


def stream_of(batch: object, name: str, ids: Tensor, *, pad_id: int | None) -> Stream:
    """Return the sentences of any ids of a batch, cut by the mask that lies nearest to them."""
    found = list(named_tensors(batch))
    place = next((at for at, (other, _) in enumerate(found) if other == name), 0)
    near = sorted(
        range(len(found)),
        key=lambda at: (-_alike(name, found[at][0]), at < place, abs(at - place)),
    )
    for other, mask in (found[at] for at in near):
        last = other.rpartition(".")[2]
        called = last.isdigit() or any(names_a_mask(last, target=t) for t in (False, True))
        if mask is not ids and called:
            kept = kept_by(mask, ids, name="" if last.isdigit() else last)
            if kept is not None:
                return _unpad(ids, pad_id, kept)
    return _unpad(ids, pad_id)


def _alike(one: str, other: str) -> int:
    """Return how many characters two names begin with in common; numbers are no names."""
    if one.isdigit() and other.isdigit():
        return 0
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _mapping(batch: Mapping[object, object], pad_id: int | None) -> BatchTokens:
    source = _first(batch, SOURCE_KEYS)
    if source is None:
        # Some keep what the model reads in a mapping of its own, beside the labels.
        for inner in map(_named, batch.values()):
            if isinstance(inner, Mapping) and _first(inner, SOURCE_KEYS) is not None:
                return _mapping(inner, pad_id)
        raise _not_understood(batch)
    target = _first(batch, TARGET_KEYS)
    return BatchTokens(
        source=_unpad(source, pad_id, _named_mask(batch, source, target=False)),
        target=None
        if target is None
        else _unpad(target, pad_id, _named_mask(batch, target, target=True)),
    )


def _sequence(batch: Sequence[object], pad_id: int | None) -> BatchTokens:
    for item in map(_named, batch):
        if isinstance(item, Mapping) and _first(item, SOURCE_KEYS) is not None:
            return _mapping(item, pad_id)
    tensors = [item for item in batch if isinstance(item, Tensor)]
    sentences = [x for x in tensors if _is_ids(x) and not is_binary(x)]
    if not sentences:
        sentences = [x for x in tensors if _is_ids(x)][:1]  # a language of two letters
    if not sentences:
        raise _not_understood(batch)
    source = sentences[0]
    target = next((x for x in sentences[1:] if x.shape[0] == source.shape[0]), None)
    place = {id(x): at for at, x in enumerate(tensors)}
    masks = [x for x in tensors if not any(x is sentence for sentence in sentences)]
    # A mask follows what it masks: of two streams as wide, each has its own.
    border = len(tensors) if target is None else place[id(target)]
    before = [x for x in masks if place[id(x)] < border]
    after = [x for x in masks if place[id(x)] >= border]
    alike = target is not None and target.shape == source.shape
    return BatchTokens(
        source=_unpad(source, pad_id, _unnamed_mask(before + ([] if alike else after), source)),
        target=None if target is None else _unpad(target, pad_id, _unnamed_mask(after, target)),
    )


def _named_mask(batch: Mapping[object, object], ids: Tensor, *, target: bool) -> Tensor | None:
    for name, mask in batch.items():
        named = isinstance(name, str) and names_a_mask(name, target=target)
        if named and isinstance(mask, Tensor) and mask is not ids:
            kept = kept_by(mask, ids, name=str(name))
            if kept is not None:
                return kept
    return None


def _unnamed_mask(candidates: Sequence[Tensor], ids: Tensor) -> Tensor | None:
    found = (kept_by(mask, ids) for mask in candidates)
    return next((kept for kept in found if kept is not None), None)


def _named(batch: object) -> object:
    """Return the fields of a dataclass or named tuple by name; anything else as it is."""
    if is_dataclass(batch) and not isinstance(batch, type | Mapping):
        return {part.name: getattr(batch, part.name) for part in fields(batch)}
    names = getattr(batch, "_fields", None)
    if isinstance(batch, tuple) and isinstance(names, tuple):
        by_name = dict(zip(names, batch, strict=True))
        return by_name if _first(by_name, SOURCE_KEYS) is not None else batch
    return batch


def _described(answer: object, pad_id: int | None) -> BatchTokens:
    if isinstance(answer, tuple) and len(answer) == 2:  # noqa: PLR2004  # (source, target)
        source, target = answer
        first, second = _sentences(source, pad_id), _sentences(target, pad_id)
        return BatchTokens(source=replace(first, said=True), target=replace(second, said=True))
    return BatchTokens(source=replace(_sentences(answer, pad_id), said=True))


def _sentences(answer: object, pad_id: int | None) -> Stream:
    if isinstance(answer, Tensor) and _is_ids(answer):
        return _unpad(answer, pad_id)
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        rows = [tuple(row) for row in answer if isinstance(row, Sequence)]
        if len(rows) == len(answer) and all(isinstance(t, int | str) for row in rows for t in row):
            width = max((len(row) for row in rows), default=0)
            return Stream(ids=tuple(rows), starts=(0,) * len(rows), width=width)
    raise BatchNotUnderstoodError(
        f"describe_batch returned {_shape(answer)}; wanted token ids [sentence, token], a list of "
        "lists of ids or strings, or a (source, target) pair of these"
    )


def _is_ids(x: Tensor) -> bool:
    return x.dim() == 2 and x.dtype in {torch.int64, torch.int32}  # noqa: PLR2004


def _first(batch: Mapping[object, object], keys: Sequence[str]) -> Tensor | None:
    for key in keys:
        found = batch.get(key)
        if isinstance(found, Tensor) and _is_ids(found):
            return found
    return None


def _unpad(ids: Tensor, pad_id: int | None, mask: Tensor | None = None) -> Stream:
    """Cut padding off both ends; what a mask hides inside a sentence stays a token."""
    keep = torch.ones_like(ids, dtype=torch.bool) if pad_id is None else ids != pad_id
    if mask is not None:
        keep = mask
    rows: list[Ids] = []
    starts: list[int] = []
    for row, kept in zip(ids.cpu(), keep.cpu(), strict=True):
        where = kept.nonzero().flatten()
        first, end = (int(where[0]), int(where[-1]) + 1) if len(where) else (0, 0)
        rows.append(tuple(row[first:end].tolist()))
        starts.append(first)
    return Stream(ids=tuple(rows), starts=tuple(starts), width=int(ids.shape[1]), tensor=ids)


def _shape(x: object) -> str:
    if isinstance(x, Tensor):
        return f"Tensor{list(x.shape)} {str(x.dtype).removeprefix('torch.')}"
    if isinstance(x, Mapping):
        return "{" + ", ".join(f"{k!r}: {_shape(v)}" for k, v in list(x.items())[:6]) + "}"
    if isinstance(x, list | tuple):
        return "(" + ", ".join(_shape(v) for v in x[:6]) + ")"
    return type(x).__name__


def _not_understood(batch: object) -> BatchNotUnderstoodError:
    return BatchNotUnderstoodError(
        f"the loader yields {_shape(batch)}; understood are mappings with input_ids, "
        "(tokens, labels) and (source, target) tuples of integer tensors [sentence, token]. "
        "Tell the monitor where the tokens are:\n"
        "    def tokens_of(batch): return batch[0].ids        # integer tensor [sentence, token]\n"
        "    AttentionMonitor(describe_batch=tokens_of)"
    )
