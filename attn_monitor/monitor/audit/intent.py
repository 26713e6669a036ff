"""Which tokens may read which: said by the batch, by the model, or by the user; else unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import torch
from torch import Tensor, nn

from attn_monitor.core.errors import AttnMonitorError, ConfigurationError
from attn_monitor.core.mask_audit import Rule
from attn_monitor.monitor.audit.declared import (
    decoder,
    padding_of,
    reads_both_ways,
    says_causal,
)
from attn_monitor.monitor.batches import (
    SOURCE_KEYS,
    BatchTokens,
    DescribeBatch,
    Stream,
    describe,
    named_tensors,
)

MaskRule = Literal["causal", "prefix", "full"] | int | Callable[[object], Tensor] | None
_SAID: Final = ("causal", "prefix", "full")
_DOCUMENTS: Final = ("document_ids", "doc_ids", "seq_idx", "sequence_ids", "sequence_id")
_BORDERS: Final = ("cu_seqlens", "cu_seq_lens", "cu_seq_lens_q", "cu_seqlens_q", "cu_seqlen")
_SEGMENTS: Final = ("token_type_ids", "mm_token_type_ids", "prefix_mask")
_NO_IDS: Final = (*_DOCUMENTS, *_BORDERS, *_SEGMENTS, "position_ids", "positions")
_SQUARE: Final = 2


def check_mask(mask: object) -> None:
    """Check what a user says of the mask.

    Raises:
        ConfigurationError: It is none of the things that can be said.
    """
    number = isinstance(mask, int) and not isinstance(mask, bool) and mask > 0
    if mask in (None, *_SAID) or number or callable(mask):
        return
    raise ConfigurationError(
        f"mask must be one of {', '.join(map(repr, _SAID))}, a window's number of tokens, a "
        f"function from a batch to what may be read, or None, got {mask!r}"
    )


@dataclass(slots=True, kw_only=True)
class Forbidden:
    """Which tokens of one stream may not reach which outputs, by rule.

    Attributes:
        pairs: Rule -> ``[sentence, query, key]``, true where it is forbidden.
        said_by: Rule -> who says so.
    """

    pairs: dict[Rule, Tensor] = field(default_factory=dict)
    said_by: dict[Rule, str] = field(default_factory=dict)

    def add(self, rule: Rule, pairs: Tensor, said_by: str) -> None:
        """Take up what a rule forbids beyond the rules before it, if anything."""
        for before in self.pairs.values():
            pairs = pairs & ~before
        if bool(pairs.any()):
            self.pairs[rule], self.said_by[rule] = pairs, said_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """One stream of tokens and what is meant for it.

    Attributes:
        name: ``"tokens"``, ``"source"`` or ``"target"``.
        ids: The tokens, ``[sentence, column]``.
        real: Which of them are no padding; all where nothing says which are.
        padded_by: Who says which are padding; empty where nobody does.
        forbidden: What may not be read within the stream.
        said: The user says what may be read.
        full: Who says that tokens may read those that follow them; empty where nobody does.
    """

    name: str
    ids: Tensor
    real: Tensor
    padded_by: str
    forbidden: Forbidden
    said: bool = False
    full: str = ""

    def said_of(self, rule: Rule) -> str:
        """Return who says that a rule holds."""
        if rule == "sentence":
            return "that sentences are apart"
        return self.forbidden.said_by.get(rule, "")

    def pad(self) -> None:
        """Forbid that tokens read padding."""
        if self.padded_by:
            pairs = self.real[:, :, None] & ~self.real[:, None, :]
            self.forbidden.add("padding", pairs, self.padded_by)

    def forbid_future(self, later: Tensor, said_by: str) -> None:
        """Forbid what lies later, ``[query, key]`` or ``[sentence, query, key]``."""
        both = self.real[:, :, None] & self.real[:, None, :]
        self.forbidden.add("future", later & both, said_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Tokens of a batch that a decoder may be fed, whole or moved by one.

    Attributes:
        ids: The tokens, ``[sentence, column]``; negative where there is none.
        real: Which of them are no padding.
        padded_by: Who says which are padding; empty where nobody does.
        causal: Who says that none of them may read what follows it; empty where nobody does.
        differs: They are other tokens than the source's.
    """

    ids: Tensor
    real: Tensor
    padded_by: str
    causal: str
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is meant for a batch, as far as it is known before the model runs.

    Attributes:
        source: What an encoder, or a model with one stream, reads; ``None`` where nothing is known.
        candidates: What else a model may look up.
        decoder: Who says that the model decodes; empty where nobody does.
    """

    source: Meant | None
    candidates: tuple[Candidate, ...] = ()
    decoder: str = ""


def intended(
    model: nn.Module,
    batch: object,
    *,
    mask: MaskRule = None,
    pad_id: int | None = None,
    describe_batch: DescribeBatch | None = None,
) -> Intent:
    """Return the tokens of a batch with what is forbidden among them.

    Args:
        model: Whose declaration counts, where it makes one.
        batch: What the model's step gets.
        mask: What the user says.
        pad_id: The tokenizer's padding id.
        describe_batch: The user's own reading of the batch.
    """
    pad_id = padding_of(model) if pad_id is None else pad_id
    told, cut = _described(batch, pad_id, describe_batch)
    if told is None or cut is None or told.source.tensor is None:
        return Intent(source=None)
    ids = told.source.tensor.cpu()
    named = {name.rpartition(".")[2]: x.cpu() for name, x in named_tensors(batch)}
    if ids.shape[0] == 1:
        rows = {name for name, x in named.items() if x.shape == ids.shape[1:]}
        named = {name: x[None] if name in rows else x for name, x in named.items()}
    others = {name: x for name, x in named.items() if _may_be_ids(name, x) and not _same(x, ids)}
    decodes = decoder(model, named)
    real, padded_by = _real(told.source, cut.source, ids)
    found = Meant(
        name="source" if decodes else "tokens",
        ids=ids,
        real=real,
        padded_by=padded_by,
        forbidden=Forbidden(),
        said=mask is not None,
        full=_full(model, mask),
    )
    found.pad()
    _from_batch(found, batch, named, model, mask, target=bool(decodes))
    candidates = [_candidate(x, (told, cut), ids, others, pad_id) for x in (*others.values(), ids)]
    return Intent(source=found, candidates=tuple(candidates), decoder=decodes)


def _described(
    batch: object, pad_id: int | None, describe_batch: DescribeBatch | None
) -> tuple[BatchTokens | None, BatchTokens | None]:
    """Return the tokens of a batch without what its mask hides; and without padding ids too."""
    try:
        told = describe(batch, describe_batch=describe_batch)
        return told, describe(batch, pad_id=pad_id, describe_batch=describe_batch)
    except AttnMonitorError:
        row = _one_row(batch)
        return row, row


def _one_row(batch: object) -> BatchTokens | None:
    """Return packed sentences whose ids have no axis for rows."""
    named = {name.rpartition(".")[2]: tensor for name, tensor in named_tensors(batch)}
    flat = [x for n, x in named.items() if x.dim() == 1 and n in SOURCE_KEYS]
    if not flat or not any(name in named for name in (*_BORDERS, *_DOCUMENTS, "position_ids")):
        return None
    ids = flat[0][None].cpu()
    row = Stream(ids=(tuple(flat[0].tolist()),), starts=(0,), width=ids.shape[1], tensor=ids)
    return BatchTokens(source=row)


def _candidate(
    ids: Tensor,
    told: tuple[BatchTokens, BatchTokens],
    source: Tensor,
    others: Mapping[str, Tensor],
    pad_id: int | None,
) -> Candidate:
    target, cut = told[0].target, told[1].target
    real, padded_by = ids >= 0, "the batch's labels below 0"
    if target is not None and target.tensor is not None and _same(target.tensor.cpu(), ids):
        real, padded_by = _real(target, cut, ids)
    elif bool(real.all()) and pad_id is not None:  # padding at the end alone: some begin with it
        real = (ids != pad_id).flip(1).cummax(1).values.flip(1)
        padded_by = "the padding id"
    same = ids.shape == source.shape and bool((ids == source)[ids >= 0].all())
    return Candidate(
        ids=ids,
        real=real,
        padded_by="" if bool(real.all()) else padded_by,
        causal="the batch, which holds the next tokens" if _next_tokens(ids, others) else "",
        differs=not same,
    )


def _next_tokens(ids: Tensor, others: Mapping[str, Tensor]) -> str:
    """Return the name of what a batch holds the tokens in that follow others; empty if nowhere."""
    found = (name for name, x in others.items() if _fits(x, ids) and _are_next(x, ids))
    return next(found, "")


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other.to(one))


def _real(stream: Stream, cut: Stream | None, ids: Tensor) -> tuple[Tensor, str]:
    by_mask = _valid(stream, ids)
    if not bool(by_mask.all()):
        return by_mask, "the batch's mask"
    if cut is not None and not bool((by_id := _valid(cut, ids)).all()):
        return by_id, "the padding id"
    return by_mask, ""


def _valid(stream: Stream, ids: Tensor) -> Tensor:
    real = torch.zeros(ids.shape, dtype=torch.bool)
    for row, (start, tokens) in enumerate(zip(stream.starts, stream.ids, strict=True)):
        real[row, start : start + len(tokens)] = True
    return real


def _square(ids: Tensor) -> Tensor:
    """Return ``[query, key]``, true where a key lies after its query."""
    return torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)


def _from_batch(
    meant: Meant,
    batch: object,
    named: dict[str, Tensor],
    model: nn.Module,
    mask: MaskRule,
    *,
    target: bool,
) -> None:
    forbidden, ids, later = meant.forbidden, meant.ids, _square(meant.ids)
    documents, said_by = _documents(named, meant)
    if documents is not None:
        other = documents[:, :, None] != documents[:, None, :]
        forbidden.add("document", other & meant.real[:, :, None] & meant.real[:, None, :], said_by)
    if callable(mask):
        allowed = mask(batch).cpu().bool()
        meant.forbid_future(~closed(allowed.expand(*ids.shape, ids.shape[1])), "you: mask=")
        return
    prefix = next((named[n] for n in _SEGMENTS if _fits(named.get(n), ids)), None)
    if mask == "full":
        return
    if mask == "prefix" and prefix is not None:
        free = (prefix == 0)[:, :, None] & (prefix == 0)[:, None, :]
        meant.forbid_future(later & ~free, 'you: mask="prefix"')
    elif mask == "causal" or (isinstance(mask, int) and not isinstance(mask, bool)):
        meant.forbid_future(later, f"you: mask={mask!r}")
    elif mask is None and not target and (said_by := _causal(model, named, ids)):
        if prefix is not None and not bool((prefix == prefix[:, :1]).all()):
            # Some read the first segment both ways: only what follows it is meant for certain.
            later = later & ~((prefix == 0)[:, :, None] & (prefix == 0)[:, None, :])
        meant.forbid_future(later, said_by)


def closed(allowed: Tensor) -> Tensor:
    """Return what may be reached over any number of layers, ``[sentence, query, key]``."""
    reach = (allowed | torch.eye(allowed.shape[-1], dtype=torch.bool)).float()
    for _ in range(max(allowed.shape[-1] - 1, 1).bit_length()):
        reach = ((reach @ reach) > 0).float()
    return reach > 0


def _documents(named: dict[str, Tensor], meant: Meant) -> tuple[Tensor | None, str]:
    """Return which document every token belongs to, where the batch says so."""
    ids = meant.ids
    for name in _DOCUMENTS:
        if _fits(named.get(name), ids):
            return named[name].long(), f"the batch's {name}"
    for name in _BORDERS:
        borders = named.get(name)
        if borders is not None and borders.dim() == 1 and ids.shape[0] == 1:
            columns = torch.arange(ids.shape[1])
            return torch.bucketize(columns, borders.long(), right=True)[None], f"the batch's {name}"
    mask = named.get("attention_mask")
    if _fits(mask, ids) and mask is not None and not mask.is_floating_point() and mask.max() > 1:
        return mask.long(), "the numbers of the batch's attention_mask"
    places = named.get("position_ids", named.get("positions"))
    if places is not None and places.shape == (1, ids.shape[1]):
        places = places.expand_as(ids)
    if places is not None and _fits(places, ids):
        first = places.gather(1, meant.real.long().argmax(1, keepdim=True))
        begins = (places == first) & meant.real
        begins[:, 1:] &= places[:, 1:] <= places[:, :-1]
        # Padding often repeats a place: a document of one token is none.
        alone = begins.clone()
        alone[:, :-1] &= begins[:, 1:]
        if not bool(alone[:, 1:].any()) and bool(begins[:, 1:].any()):
            return begins.cumsum(1), "position_ids of the batch, which start again"
    return None, ""


def _causal(model: nn.Module, named: dict[str, Tensor], ids: Tensor) -> str:
    """Return who says that no token may read what follows it; empty where nobody does."""
    maybe = {name: x for name, x in named.items() if _may_be_ids(name, x)}
    if labels := _next_tokens(ids, maybe):
        return f"the batch's {'' if labels.isdigit() else labels + ', which are the '}next tokens"
    return says_causal(model)


def _full(model: nn.Module, mask: MaskRule) -> str:
    if mask == "full":
        return 'you: mask="full"'
    return reads_both_ways(model) if mask is None else ""


def _are_next(labels: Tensor, ids: Tensor) -> bool:
    """Return whether labels are the ids that follow, wherever there is a label."""
    if ids.shape[1] <= _SQUARE:
        return False
    wanted, following = labels[:, :-1], ids[:, 1:]
    asked = (wanted >= 0) & (wanted != wanted.flatten()[-1])
    enough = int(asked.sum()) >= max(2, ids.shape[0])
    differs = bool((ids[:, :-1][asked] != following[asked]).any())
    return enough and differs and bool((wanted[asked] == following[asked]).all())


def _fits(tensor: Tensor | None, ids: Tensor) -> bool:
    return tensor is not None and tensor.shape == ids.shape and not tensor.is_floating_point()


def _may_be_ids(name: str, tensor: Tensor) -> bool:
    """Return whether a model may look up what a batch calls so: neither masks nor places."""
    whole = tensor.dtype in {torch.int64, torch.int32} and tensor.dim() == _SQUARE
    return whole and not name.endswith(_NO_IDS) and "mask" not in name
