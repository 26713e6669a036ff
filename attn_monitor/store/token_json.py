"""Tokens, and the image that patches are cut from, in ``run.json`` and on the wire."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.core.nouns import PatchImage, Probe, Tokens
from attn_monitor.store.fields import as_int, as_list, as_object, as_str

LARGEST_SIDE = 16  # pixels of a patch: as large as a label gets on screen
_LARGEST_GRID = 256
_GREY, _COLOUR = 1, 3


def dump_tokens(tokens: Tokens) -> Mapping[str, object]:
    """Return the tokens as JSON holds them; most words have ``text`` and ``special`` alone."""
    image = {} if tokens.image is None else {"image": _dump_image(tokens.image)}
    values = {"values": list(tokens.values)} if tokens.values else {}
    documents = {"documents": list(tokens.documents)} if tokens.documents else {}
    return {
        "text": list(tokens.text),
        "special": list(tokens.special),
        **documents,
        **values,
        **image,
    }


def dump_own_axes(probe: Probe) -> Mapping[str, object]:
    """Return the axes of parts with tokens of their own, as JSON holds them; most have none."""
    if not probe.own_axes:
        return {}
    return {
        "own_axes": [
            {"part": axes.part, "query": dump_tokens(axes.query), "key": dump_tokens(axes.key)}
            for axes in probe.own_axes
        ]
    }


def load_tokens(value: object, where: str) -> Tokens:
    """Return the tokens that JSON describes.

    Raises:
        CorruptRecordingError: A field is missing or wrong.
    """
    tokens = as_object(value, where)
    text = tuple(as_str(token, f"{where}.text") for token in as_list(tokens.get("text"), where))
    special = tuple(
        as_int(position, f"{where}.special", high=len(text) - 1)
        for position in as_list(tokens.get("special", []), f"{where}.special")
    )
    values = tuple(
        as_str(value, f"{where}.values") for value in as_list(tokens.get("values", []), where)
    )
    if values and len(values) != len(text):
        raise CorruptRecordingError(
            f"{where} has {len(values)} values for {len(text)} tokens; expected one for each"
        )
    documents = tuple(
        as_int(place, f"{where}.documents", high=len(text) - 1)
        for place in as_list(tokens.get("documents", []), f"{where}.documents")
    )
    if documents and (documents[0] != 0 or list(documents) != sorted(set(documents))):
        raise CorruptRecordingError(
            f"{where}.documents begin at {list(documents[:4])}; expected rising places from 0 on"
        )
    image = tokens.get("image")
    patches = len(text) - len(special)
    return Tokens(
        text=text,
        special=special,
        values=values,
        documents=documents,
        image=None if image is None else _load_image(image, patches, f"{where}.image"),
    )


def _dump_image(image: PatchImage) -> Mapping[str, object]:
    return {
        "rows": image.rows,
        "columns": image.columns,
        "side": image.side,
        "channels": image.channels,
        "pixels": base64.b64encode(image.pixels).decode("ascii"),
    }


def _load_image(value: object, patches: int, where: str) -> PatchImage:
    """Return the image of so many patches: one for each token that is not special."""
    image = as_object(value, where)
    rows = as_int(image.get("rows"), f"{where}.rows", low=1, high=_LARGEST_GRID)
    columns = as_int(image.get("columns"), f"{where}.columns", low=1, high=_LARGEST_GRID)
    side = as_int(image.get("side"), f"{where}.side", low=1, high=LARGEST_SIDE)
    channels = as_int(image.get("channels"), f"{where}.channels", low=_GREY, high=_COLOUR)
    try:
        pixels = base64.b64decode(as_str(image.get("pixels"), f"{where}.pixels"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CorruptRecordingError(f"{where}.pixels is not base64: {error}") from None
    wanted = rows * columns * side * side * channels
    if rows * columns != patches or channels not in {_GREY, _COLOUR} or len(pixels) != wanted:
        raise CorruptRecordingError(
            f"{where} holds {rows} x {columns} patches of {side} x {side} pixels in {channels} "
            f"channels in {len(pixels)} bytes; expected {patches} patches, 1 or 3 channels and "
            f"{wanted} bytes"
        )
    return PatchImage(rows=rows, columns=columns, side=side, channels=channels, pixels=pixels)
