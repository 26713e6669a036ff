"""Which tokens may read which: said by the batch, by the model, or by the user; else unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import torch
from torch import Tensor, nn

from attn_monitor.core.errors import AttnMonitorError, ConfigurationError
from attn_monitor.core.mask_audit import Rule
from attn_monitor.monitor.batches import DescribeBatch, Stream, describe, named_tensors

MaskRule = Literal["causal", "prefix", "full"] | int | Callable[[object], Tensor] | None
_SAID: Final = ("causal", "prefix", "full")
_DOCUMENTS: Final = ("document_ids", "doc_ids", "seq_idx", "sequence_ids", "sequence_id")
_BORDERS: Final = ("cu_seqlens", "cu_seq_lens", "cu_seq_lens_q", "cu_seqlens_q", "cu_seqlen")
_SEGMENTS: Final = ("token_type_ids", "mm_token_type_ids", "prefix_mask")
_TARGETS: Final = ("labels", "label", "targets", "target", "target_ids", "y")
_NO_IDS: Final = (*_DOCUMENTS, *_BORDERS, *_SEGMENTS, *_TARGETS, "position_ids", "positions")
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
    """

    name: str
    ids: Tensor
    real: Tensor
    padded_by: str
    forbidden: Forbidden


def intended(
    model: nn.Module,
    batch: object,
    *,
    mask: MaskRule = None,
    pad_id: int | None = None,
    describe_batch: DescribeBatch | None = None,
) -> tuple[Meant, ...]:
    """Return the streams of a batch with what is forbidden in each; none where nothing is known.

    Args:
        model: Whose declaration counts, where it makes one.
        batch: What the model's step gets.
        mask: What the user says.
        pad_id: The tokenizer's padding id.
        describe_batch: The user's own reading of the batch.
    """
    try:
        told = describe(batch, describe_batch=describe_batch)
        cut = describe(batch, pad_id=pad_id, describe_batch=describe_batch)
    except AttnMonitorError:
        return ()
    named = {name.rpartition(".")[2]: tensor.cpu() for name, tensor in named_tensors(batch)}
    found: list[Meant] = []
    decodes = bool(getattr(_config(model), "is_encoder_decoder", False))
    target = told.target if decodes or "decoder_input_ids" in named else None
    if target is None and told.target is not None and _two_texts(told.source, told.target):
        target = told.target
    two = target is not None or decodes
    for stream, with_pad, is_target in (
        (told.source, cut.source, False),
        (target, cut.target, True),
    ):
        if stream is None or stream.tensor is None:
            continue
        ids = stream.tensor.cpu()
        real, padded_by = _real(stream, with_pad, ids)
        forbidden = Forbidden()
        name = "target" if is_target else ("source" if two else "tokens")
        meant = Meant(name=name, ids=ids, real=real, padded_by=padded_by, forbidden=forbidden)
        _padding(meant)
        if is_target:
            _future(meant, _square(ids), "a decoder")
        else:
            _from_batch(meant, batch, named, model, mask, target=two)
        found.append(meant)
    return tuple(found)


def _real(stream: Stream, cut: Stream | None, ids: Tensor) -> tuple[Tensor, str]:
    by_mask = _valid(stream, ids)
    if not bool(by_mask.all()):
        return by_mask, "the batch's mask"
    if cut is not None and not bool((by_id := _valid(cut, ids)).all()):
        return by_id, "the tokenizer's padding id"
    return by_mask, ""


def _valid(stream: Stream, ids: Tensor) -> Tensor:
    real = torch.zeros(ids.shape, dtype=torch.bool)
    for row, (start, tokens) in enumerate(zip(stream.starts, stream.ids, strict=True)):
        real[row, start : start + len(tokens)] = True
    return real


def _two_texts(source: Stream, target: Stream) -> bool:
    """Tell a (source, target) pair from tokens with a label each."""
    return source.width != target.width


def _square(ids: Tensor) -> Tensor:
    """Return ``[query, key]``, true where a key lies after its query."""
    return torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)


def _padding(meant: Meant) -> None:
    if meant.padded_by:
        real = meant.real
        meant.forbidden.add("padding", real[:, :, None] & ~real[:, None, :], meant.padded_by)


def _future(meant: Meant, later: Tensor, said_by: str) -> None:
    both = meant.real[:, :, None] & meant.real[:, None, :]
    meant.forbidden.add("future", later & both, said_by)


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
        _future(meant, ~closed(allowed.expand(*ids.shape, ids.shape[1])), "you: mask=")
        return
    prefix = next((named[n] for n in _SEGMENTS if _fits(named.get(n), ids)), None)
    if mask == "full":
        return
    if mask == "prefix" and prefix is not None:
        free = (prefix == 0)[:, :, None] & (prefix == 0)[:, None, :]
        _future(meant, later & ~free, 'you: mask="prefix"')
    elif mask == "causal" or (isinstance(mask, int) and not isinstance(mask, bool)):
        _future(meant, later, f"you: mask={mask!r}")
    elif mask is None and not target and (said_by := _causal(model, named, ids)):
        if prefix is not None and not bool((prefix == prefix[:, :1]).all()):
            # Some read the first segment both ways: only what follows it is meant for certain.
            later = later & ~((prefix == 0)[:, :, None] & (prefix == 0)[:, None, :])
        _future(meant, later, said_by)


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
    for target in _TARGETS:
        labels = named.get(target)
        if _fits(labels, ids) and labels is not None and _are_next(labels, ids):
            return f"the batch's {target}, which are the next tokens"
    config = _config(model)
    flags = [
        vars(m)["is_causal"] for m in model.modules() if isinstance(vars(m).get("is_causal"), bool)
    ]
    if flags and all(flags):
        return "the model: is_causal"
    if config is not None and getattr(config, "is_decoder", False) is True and all(flags):
        return "the model: config.is_decoder"
    names = (type(module).__name__ for module in model.modules())
    kind = next((name for name in names if "CausalLM" in name), "")
    if kind and not flags and getattr(config, "is_decoder", True):
        return f"the model: {kind}"
    return ""


def _are_next(labels: Tensor, ids: Tensor) -> bool:
    """Return whether labels are the ids that follow, wherever there is a label."""
    if ids.shape[1] <= _SQUARE:
        return False
    wanted, following = labels[:, :-1], ids[:, 1:]
    asked = (wanted >= 0) & (wanted != wanted.flatten()[-1])
    enough = int(asked.sum()) >= max(2, ids.shape[0])
    differs = bool((ids[:, :-1][asked] != following[asked]).any())
    return enough and differs and bool((wanted[asked] == following[asked]).all())


def _config(model: nn.Module) -> object | None:
    """Return the outermost configuration that a model or what it holds declares itself by."""
    for module in model.modules():
        config = vars(module).get("config")
        if config is not None and hasattr(config, "model_type"):
            found: object = config
            return found
    return None


def _fits(tensor: Tensor | None, ids: Tensor) -> bool:
    return tensor is not None and tensor.shape == ids.shape and not tensor.is_floating_point()


def id_tensors(batch: object) -> list[Tensor]:
    """Return the tensors of a batch that a model may look up, besides masks and places."""
    return [
        tensor.cpu()
        for name, tensor in named_tensors(batch)
        if not tensor.is_floating_point()
        and tensor.dtype != torch.bool
        and tensor.dim() >= _SQUARE
        and not any(name.endswith(other) for other in _NO_IDS if other not in _TARGETS)
        and "mask" not in name.rpartition(".")[2]
    ]
