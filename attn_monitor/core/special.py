"""Tokens that are not words: how tokenizers spell starts, ends, padding and masks."""

from __future__ import annotations

import re
from collections.abc import Sequence

# [CLS], </s>, <|endoftext|>. [UNK] stands for a word.
_NAMES = "bos|eos|sos|cls|sep|pad|mask|start|end|go|s"
_SPECIAL = re.compile(rf"^(\[({_NAMES})\]|</?({_NAMES})>|<\|[^<>\s]+\|>)$", re.IGNORECASE)


def special_positions(text: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of the tokens that are not words."""
    return tuple(i for i, token in enumerate(text) if _SPECIAL.match(token))
