"""Which planes a captured pass has, and what each shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from attn_monitor.capture import AttentionCapture
from attn_monitor.capture.api import PartCapture
from attn_monitor.capture.tensors import to_numpy
from attn_monitor.core.errors import ConfigurationError, TokenLengthError
from attn_monitor.core.maps import Maps
from attn_monitor.core.special import special_positions
from attn_monitor.figures.planes import PlaneMaps

LayerMaps = list[Float[np.ndarray, "_ _ _"]]  # per layer [head, query, key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What of a pass is drawn.

    Attributes:
        index: Which sentence of the batch.
        part: One stream of attention; ``None`` for all of the model that fits in one picture.
        tokens: Words of the source, or of the only stream.
        target_tokens: Words of what a decoder reads.
        special: Draw links of tokens that are not words.
    """

    index: int = 0
    part: str | None = None
    tokens: Sequence[str] | None = None
    target_tokens: Sequence[str] | None = None
    special: bool = False


def planes_of(attention: AttentionCapture, sentence: Sentence) -> tuple[PlaneMaps, ...]:
    """Return one plane per layer.

    Of an encoder-decoder model: the encoder's planes, then the decoder's, each with its
    self-attention on the outer ring and, towards the inner ring, its attention to the encoder.

    Raises:
        ConfigurationError: A part or sentence that was not seen.
        TokenLengthError: Not one token per position.
    """
    parts = attention.parts
    if sentence.part is not None and sentence.part not in parts:
        raise ConfigurationError(
            f"part {sentence.part!r} was not seen; choose one of {', '.join(map(repr, parts))}"
        )
    if sentence.part is None and {"decoder", "cross"} <= set(parts):
        decoder, cross = attention["decoder"], attention["cross"]
        if len(decoder.layers) == len(cross.layers):
            return _encoder_and_decoder(attention, sentence)
    selves = [part.name for part in attention.arrangement if part.kind == "self"]
    name = sentence.part or (selves or list(parts))[0]
    stream = attention[name]
    maps = _maps(stream, sentence.index)
    if stream.part.kind == "cross":
        queries, keys = maps[0].shape[1:]
        asking = _words(sentence.target_tokens, queries, "target_tokens")
        read = _words(sentence.tokens, keys, "tokens")
        return tuple(
            _cross_plane(f"Layer {i + 1}", asking, read, None, layer, sentence=sentence)
            for i, layer in enumerate(maps)
        )
    reads_target = name == "decoder" and "cross" in parts
    maps, length = _cropped(maps)
    given = sentence.target_tokens if reads_target else sentence.tokens
    words = _words(given, length, "target_tokens" if reads_target else "tokens")
    causal = stream.part.causal
    return tuple(
        _self_plane(f"Layer {i + 1}", words, layer, causal=causal, sentence=sentence)
        for i, layer in enumerate(maps)
    )


def _encoder_and_decoder(attention: AttentionCapture, sentence: Sentence) -> tuple[PlaneMaps, ...]:
    decoder, targets = _cropped(_maps(attention["decoder"], sentence.index))
    cross = _maps(attention["cross"], sentence.index)
    planes: list[PlaneMaps] = []
    sources = cross[0].shape[2]
    if "encoder" in attention.parts:
        stream = attention["encoder"]
        encoder, sources = _cropped(_maps(stream, sentence.index))
        words = _words(sentence.tokens, sources, "tokens")
        planes += [
            _self_plane(
                f"Encoder {i + 1}", words, layer, causal=stream.part.causal, sentence=sentence
            )
            for i, layer in enumerate(encoder)
        ]
    asking = _words(sentence.target_tokens, targets, "target_tokens")
    read = _words(sentence.tokens, sources, "tokens")
    causal = attention["decoder"].part.causal
    for i, (own, other) in enumerate(zip(decoder, cross, strict=True)):
        looks = other[:, :targets, :sources]
        inner = _self_plane("", asking, own, causal=causal, sentence=sentence)
        planes.append(
            _cross_plane(f"Decoder {i + 1}", asking, read, inner, looks, sentence=sentence)
        )
    return tuple(planes)


def _maps(stream: PartCapture, sentence: int) -> LayerMaps:
    """Return each layer's weights for one sentence."""
    sentences = stream.records[0].shape[0]
    if not 0 <= sentence < sentences:
        raise ConfigurationError(f"sentence {sentence} is not one of 0 to {sentences - 1}")
    at = slice(sentence, sentence + 1)
    return [to_numpy(record.weights(at)[0], torch.float64) for record in stream.records]


def _cropped(maps: LayerMaps) -> tuple[LayerMaps, int]:
    """Leave out trailing positions that no token of any layer looks at: padding."""
    looked_at = np.flatnonzero(sum(layer.sum(axis=(0, 1)) for layer in maps) > 0)
    length = int(looked_at[-1]) + 1 if len(looked_at) else maps[0].shape[2]
    return [layer[:, :length, :length] for layer in maps], length


def _words(given: Sequence[str] | None, length: int, option: str) -> tuple[str, ...]:
    if given is None:
        return tuple(str(i + 1) for i in range(length))
    if len(given) != length:
        raise TokenLengthError(
            f"got {len(given)} {option} for {length} positions; give one for each"
        )
    return tuple(given)


def _self_plane(
    name: str,
    words: tuple[str, ...],
    attn: Float[np.ndarray, "head query key"],
    *,
    causal: bool,
    sentence: Sentence,
) -> PlaneMaps:
    return PlaneMaps(
        name=name,
        tokens=words,
        attn=attn,
        even=Maps(attn=attn, causal=causal).uniform().attn[0],
        special=() if sentence.special else special_positions(words),
    )


def _cross_plane(
    name: str,
    asking: tuple[str, ...],
    read: tuple[str, ...],
    own: PlaneMaps | None,
    attn: Float[np.ndarray, "head query key"],
    *,
    sentence: Sentence,
) -> PlaneMaps:
    """Return a plane whose outer ring looks at its inner ring and, with ``own``, at itself."""
    targets, nodes = len(asking), len(asking) + len(read)
    heads = max(len(attn), 0 if own is None else len(own.attn))
    block = np.zeros((heads, nodes, nodes))
    block[: len(attn), :targets, targets:] = attn
    even = np.zeros((nodes, nodes))
    even[:targets, targets:] = Maps(attn=attn, cross=True).uniform().attn[0]
    if own is not None:
        block[: len(own.attn), :targets, :targets] = own.attn
        even[:targets, :targets] = own.even
    return PlaneMaps(
        name=name,
        tokens=(*asking, *read),
        attn=block,
        even=even,
        inner=len(read),
        special=() if sentence.special else special_positions((*asking, *read)),
    )
