"""From what a vision model reads to small pictures beside its tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from attn_monitor.core.errors import TokenLengthError
from attn_monitor.core.nouns import PatchImage, Tokens
from attn_monitor.monitor.failures import Failures

LARGEST_SIDE = 16  # pixels of a patch that are kept: it labels a token, nobody reads it closely
ImagesOf = Callable[[object], Tensor]  # batch -> [sentence, (channel,) height, width]


def with_images(
    tokens: Sequence[Tokens], images: ImagesOf | None, batch: object, failures: Failures
) -> tuple[Tokens, ...]:
    """Return the tokens of a batch's sentences with the image that each is cut from.

    A problem is reported once, and the tokens are shown as text.
    """
    if images is None:
        return tuple(tokens)
    try:
        pixels = images(batch)
        return tuple(
            Tokens(text=t.text, special=t.special, image=patch_image(image, _patches(t)))
            for t, image in zip(tokens, pixels, strict=True)
        )
    except Exception as error:  # noqa: BLE001  # a user's callable may raise anything
        failures.report(f"{type(error).__name__}: {error}", doing="cutting images into patches")
        return tuple(tokens)


def patch_image(image: Tensor, patches: int) -> PatchImage:
    """Return an image with as many square patches, shrunk until each is a label.

    Args:
        image: ``[height, width]``, or ``[channel, height, width]`` with 1 or 3 channels. Bytes
            are taken as they are, floats from their smallest to their largest.
        patches: How many squares it is cut into.

    Raises:
        TokenLengthError: It cannot be cut into that many squares.
    """
    planes = image[None] if image.dim() == 2 else image  # noqa: PLR2004  # height and width
    channels, height, width = planes.shape
    edge = math.isqrt(height * width // patches) if patches else 0
    if channels not in {1, 3} or edge == 0 or (height // edge) * (width // edge) != patches:
        raise TokenLengthError(
            f"an image of shape {list(image.shape)} cannot be cut into {patches} square patches, "
            "one for each token that is not special; return [sentence, height, width] or "
            "[sentence, 1 or 3, height, width] from AttentionMonitor(images=...)"
        )
    rows, columns, side = height // edge, width // edge, min(edge, LARGEST_SIDE)
    size = (rows * side, columns * side)
    cropped = planes[:, : rows * edge, : columns * edge].detach().cpu()
    small = nn.functional.interpolate(_bytes(cropped)[None], size, mode="area")[0]
    pixels = small.round().byte().permute(1, 2, 0).contiguous().numpy().tobytes()
    return PatchImage(rows=rows, columns=columns, side=side, channels=channels, pixels=pixels)


def _bytes(planes: Tensor) -> Tensor:
    """Return brightness from 0 to 255 as floats."""
    values = planes.float()
    if not planes.is_floating_point():
        return values.clamp(0, 255)
    low, high = values.min(), values.max()
    return (values - low) * (255 / (high - low).clamp(min=1e-12))


def _patches(tokens: Tokens) -> int:
    return len(tokens) - len(tokens.special)
