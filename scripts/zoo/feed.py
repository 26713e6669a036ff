"""Inputs for any model: words, images, sound or series, as its signature and its errors ask."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from typing import Any

import torch
from makers import SENTENCES, Sizes, ids, makers, mask, noise, packed_images
from torch import Tensor, nn

Feed = dict[str, Any]
_MOST_ATTEMPTS = 14
_ROWS, _IMAGES = 2, 4  # axes of patches or sounds, and of images
_OF_ROWS = ("pixel_attention_mask", "spatial_shapes", "pixel_position_ids")  # flattened patches
EXTRAS = (
    *("input_ids", "pixel_values", "input_features", "input_values", "decoder_input_ids"),
    *("audio_values", "states", "actions", "rewards", "returns_to_go", "timesteps", "bbox"),
    *("visual_feats", "visual_pos", "past_time_features", "past_observed_mask", "future_values"),
    *("future_time_features", "qformer_attention_mask"),
)
# Given one after the other where an error does not say what is missing.
AT_LAST = (
    *("input_features_mask", "feature_attention_mask", "pixel_attention_mask", "image_sizes"),
    *("attention_mask", "encoder_hidden_states", "encoder_outputs", "decoder_input_ids"),
    *("position_ids", "token_type_ids", "pixel_position_ids", "feature_lens", "aftercnn_lens"),
)


def feeds(model: nn.Module, side: str = "right") -> list[Feed]:
    """Return inputs to try, the richest first."""
    sizes = Sizes(model.config)
    known = inspect.signature(model.forward).parameters
    make = makers(model, sizes, side)
    main = getattr(model, "main_input_name", "input_ids")
    main = main[0] if isinstance(main, list) else main
    required = [
        n
        for n, p in known.items()
        if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}
    ]
    chosen = list(dict.fromkeys([*required, *([main] if main in known else [])]))
    chosen = list(dict.fromkeys([*chosen, *(name for name in EXTRAS if name in known)]))
    found = []
    base = {n: make[n]() for n in chosen if n in make}
    base |= _packed(known, base, sizes)
    if "attention_mask" in known and "input_ids" in base:
        base["attention_mask"] = make["attention_mask"]()
    found.append(base)
    slim = {n: v for n, v in base.items() if n in required or n in {main, "attention_mask"}}
    if slim.keys() != base.keys():
        if "input_ids" not in slim:
            slim.pop("attention_mask", None)
        found.append(slim)
    words = {n: v for n, v in base.items() if n in {"input_ids", "attention_mask"}}
    if words and words.keys() not in [f.keys() for f in found]:
        found.append(words)
    return found


def _packed(known: Any, base: Feed, sizes: Sizes) -> Feed:
    """Return two images of unlike size, patch by patch, where a model takes them so."""
    if "feature_lens" in known and "input_features" in base:
        lengths = torch.tensor([100, 60])
        features = noise(base["input_features"].shape[1], int(lengths.sum()))
        return {"input_features": features, "feature_lens": lengths}
    grid = next(
        (n for n in ("grid_thw", "image_grid_thw", "image_grid_hws", "grid_hws") if n in known),
        None,
    )
    patches = next((n for n in ("pixel_values", "hidden_states") if n in base), None)
    if grid is None or patches is None:
        return {}
    merge = sizes.number("spatial_merge_size", "merge_size", default=2, within="vis")
    sides = [[1, 2 * merge, 2 * merge], [1, 2 * merge, 3 * merge]]
    rows, grids = packed_images(sizes, sides)
    return {patches: rows, grid: grids if "thw" in grid else grids[:, 1:]}


def repaired(feed: Feed, error: BaseException, model: nn.Module, side: str) -> Feed | None:
    """Return inputs changed as an error asks; ``None`` where it says nothing that helps."""
    message = str(error)
    sizes = Sizes(model.config)
    make = makers(model, sizes, side)
    known = inspect.signature(model.forward).parameters
    missing = re.findall(r"missing \d+ required \S+ arguments?: (.*)", message)
    if missing:
        names = re.findall(r"'(\w+)'", missing[0])
        if all(n in make for n in names):
            return {**feed, **{n: make[n]() for n in names}}
    match = re.search(r"(?:tokens:?|n_image_tokens\S*) (\d+)\D+features:? (\d+)", message)
    if match and "input_ids" in feed:
        return _with_tokens(feed, sizes, int(match[2]), message)
    if "mm_token_type_ids" in message and "mm_token_type_ids" not in feed:
        return {**feed, "mm_token_type_ids": _media(feed["input_ids"], sizes)}
    for name in re.findall(r"\w+", message):
        if name in make and name in known and name not in feed:
            return {**feed, name: make[name]()}
    rows = {n: make[n]() for n in _OF_ROWS if n in known}
    match = re.search(r"\(\d+x\d+ and (\d+)x\d+\)", message)
    pixels = feed.get("pixel_values")
    if match and rows and isinstance(pixels, Tensor) and pixels.dim() == _IMAGES:
        return {**feed, **rows, "pixel_values": noise(SENTENCES, 16, int(match[1]))}
    changed = _codes(feed, message, sizes) or _reshaped(feed, message, sizes)
    if changed is not None or "NoneType" not in message:
        return changed
    left = [n for n in AT_LAST if n in make and n in known and n not in feed]
    return {**feed, left[0]: make[left[0]]()} if left else None


def _with_tokens(feed: Feed, sizes: Sizes, features: int, message: str) -> Feed | None:
    """Put as many placeholders among the words as there are features."""
    kind = "video" if "ideo" in message else "audio" if "udio" in message else "image"
    token = sizes.get(f"{kind}_token_id", f"{kind}_token_index")
    per = -(-features // SENTENCES)
    if token is None or per > 4096:
        return None
    words = ids(sizes)
    holes = torch.full((SENTENCES, per), int(token))
    if features % SENTENCES:
        holes[1, -1] = words[1, 0]
    new = torch.cat([words[:, :3], holes, words[:, 3:]], 1)
    side = "left" if int(feed.get("attention_mask", torch.ones(1, 1))[-1, 0]) == 0 else "right"
    changed = {**feed, "input_ids": new, "attention_mask": mask(side, new.shape[1], 3)}
    if "attention_mask" not in feed:
        changed.pop("attention_mask")
    if "mm_token_type_ids" in feed:
        changed["mm_token_type_ids"] = _media(new, sizes)
    if "token_type_ids" in feed:
        changed["token_type_ids"] = torch.zeros_like(new)
    return changed


def _media(words: Tensor, sizes: Sizes) -> Tensor:
    """Return 1 for an image's place among the words, 2 for a video's."""
    found = torch.zeros_like(words)
    for number, kind in ((1, "image"), (2, "video")):
        token = sizes.get(f"{kind}_token_id", f"{kind}_token_index")
        if token is not None:
            found[words == int(token)] = number
    return found


def _reshaped(feed: Feed, message: str, sizes: Sizes) -> Feed | None:
    """Try what sizes an error names."""
    match = re.search(r"expected input\[(.*?)\] to have (\d+) channels, but got (\d+)", message)
    if match:
        wanted, got = int(match[2]), int(match[3])
        for name, value in feed.items():
            if isinstance(value, Tensor) and value.dim() == 2 and value.is_floating_point():
                return {**feed, name: noise(len(value), wanted, value.shape[1])}
            if isinstance(value, Tensor) and value.dim() > 1 and got in value.shape[1:]:
                axis = 1 + list(value.shape[1:]).index(got)
                shape = list(value.shape)
                shape[axis] = wanted
                return {**feed, name: noise(*shape)}
    changed = _axes(feed, message) or _lengths(feed, message)
    if changed is not None:
        return changed
    sound = feed.get("input_values")
    if isinstance(sound, Tensor) and sound.dim() == 2:
        if "expected 3, got 2" in message:
            return {**feed, "input_values": sound[:, None]}
        if "Dimension out of range" in message:
            shape = (
                sizes.number("max_length", default=128),
                sizes.number("num_mel_bins", default=80),
            )
            return {**feed, "input_values": noise(SENTENCES, *shape)}
    if "(batch_size, 2, num_channels" in message and feed["pixel_values"].dim() == 4:
        return {**feed, "pixel_values": noise(SENTENCES, 2, *feed["pixel_values"].shape[1:])}
    match = re.search(
        r"Input image size \((\d+)\*(\d+)\) doesn't match model \((\d+)\*(\d+)\)", message
    )
    if match and "pixel_values" in feed:
        given, wanted = (int(match[1]), int(match[2])), (int(match[3]), int(match[4]))
        kept = feed["pixel_values"].shape[-2:]  # of which a model may put two on each other
        shape = [side * want // got for side, want, got in zip(kept, wanted, given, strict=True)]
        return {
            name: noise(*value.shape[:-2], *shape)
            if isinstance(value, Tensor) and value.shape[-2:] == kept
            else value
            for name, value in feed.items()
        }
    match = re.search(
        r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)", message
    )
    if match:
        for name, value in feed.items():
            floating = isinstance(value, Tensor) and value.is_floating_point()
            if floating and value.shape[-1] == int(match[2]):
                return {**feed, name: noise(*value.shape[:-1], int(match[3]))}
        features = feed.get("input_features")
        if features is not None:
            return {**feed, "input_features": features.mT.contiguous()}
    del sizes
    return None


def _codes(feed: Feed, message: str, sizes: Sizes) -> Feed | None:
    """Try as many words beside each other as there are codebooks."""
    match = re.search(r"shape '\[-1, (\d+), (\d+)\]' is invalid for input of size (\d+)", message)
    if match:
        for name in ("decoder_input_ids", "input_ids"):
            words = feed.get(name)
            if isinstance(words, Tensor) and words.numel() == int(match[3]):
                return {**feed, name: words.repeat_interleave(int(match[1]), 0)}
    words = feed.get("input_ids")
    if "expected 2, got 1" in message and isinstance(words, Tensor) and words.dim() == _ROWS:
        count = sizes.number("num_channels", "num_codebooks", default=4)
        return {**feed, "input_ids": words[..., None].expand(-1, -1, count)}
    match = re.search(r"\((\d+)\) must match .* \((\d+)\) at non-singleton dimension 1", message)
    beside = sizes.number("num_codebooks", default=-1) + 1
    told = match and (int(match[1]),)
    if match and isinstance(words, Tensor) and words.shape[1:] == told and int(match[2]) == beside:
        return {**feed, "input_ids": words[..., None].expand(-1, -1, beside)}
    return None


def _axes(feed: Feed, message: str) -> Feed | None:
    """Try an axis more or less, as an error counts them."""
    pixels, sound = feed.get("pixel_values"), feed.get("input_values")
    if isinstance(pixels, Tensor):
        if "too many values to unpack (expected 4)" in message and pixels.dim() > _IMAGES:
            return {**feed, "pixel_values": pixels.flatten(0, 1)}
        if "not enough values to unpack (expected 5, got 4)" in message:
            frames = pixels[:, None].expand(-1, 2, -1, -1, -1).contiguous()
            return {**feed, "pixel_values": frames}
        if "not enough values to unpack (expected 6, got 4)" in message:
            tiles = pixels[:, None, None].expand(-1, 1, 4, -1, -1, -1).contiguous()
            return {**feed, "pixel_values": tiles}
        match = re.search(r"input to conv2d, but got input of size: \[(\d+), (\d+)\]", message)
        if match and pixels.dim() == _ROWS:
            side = math.isqrt(int(match[2]) // 3)
            return {**feed, "pixel_values": noise(int(match[1]), 3, side, side)}
    features = feed.get("input_features")
    match = re.search(r"\((\d+)\) must match .* \((\d+)\) at non-singleton dimension 2", message)
    for name, value in feed.items() if match else ():
        floating = isinstance(value, Tensor) and value.is_floating_point()
        if floating and value.dim() == 3 and value.shape[2] == int(match[1]):
            return {**feed, name: noise(*value.shape[:2], int(match[2]))}
    if "range of [-3, 2], but got 3" in message and isinstance(features, Tensor):
        return {**feed, "input_features": features.mT[:, None].contiguous()}
    if "must be mono" in message and isinstance(sound, Tensor) and sound.dim() == _ROWS:
        return {**feed, "input_values": sound[:, None]}
    if "input to conv1d, but got input of size" in message:
        for name, value in feed.items():
            if isinstance(value, Tensor) and value.dim() > _ROWS and value.is_floating_point():
                return {**feed, name: noise(SENTENCES, 8000)}
    return None


def _lengths(feed: Feed, message: str) -> Feed | None:
    """Try the width, or the multiple of a length, that an error names."""
    match = re.search(
        r"normalized_shape=\[(\d+)\], expected input .* but got input of size\[(.*?)\]", message
    )
    if match:
        got = tuple(int(size) for size in match[2].split(","))
        for name, value in feed.items():
            if isinstance(value, Tensor) and tuple(value.shape) == got:
                return {**feed, name: noise(*got[:-1], int(match[1]))}
    match = re.search(r"multiple of (?:[^(.]*\()?(\d+)", message)
    named = re.search(r"(?:length|got) (\d+)", message)
    if match and named:
        step, length = int(match[1]), int(named[1])
        for name, value in feed.items():
            if isinstance(value, Tensor) and value.is_floating_point() and length in value.shape:
                axis = list(value.shape).index(length)
                shape = [*value.shape]
                shape[axis] = -(-length // step) * step
                return {**feed, name: noise(*shape)}
    return None


def run_on(model: nn.Module, side: str, run: Callable[[nn.Module, Feed], Any]) -> tuple[Feed, Any]:
    """Return the first inputs that a model runs on, and what it returned.

    Raises:
        RuntimeError: It ran on none; says what it said of the first.
    """
    errors = []
    for feed in feeds(model, side):
        current: Feed | None = feed
        for _ in range(_MOST_ATTEMPTS):
            if current is None:
                break
            try:
                return current, run(model, current)
            except Exception as error:  # any model may say anything
                errors.append(f"{type(error).__name__}: {error}")
                new = repaired(current, error, model, side)
                current = None if new is None or _same(new, current) else new
    raise RuntimeError(" | ".join(dict.fromkeys(e[:200] for e in errors)))


def _same(one: Feed, other: Feed) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(v, other[n]) if isinstance(v, Tensor) and isinstance(other[n], Tensor) else True
        for n, v in one.items()
    )
