"""Probes that the user gives: what is taken for some, and texts as a model reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from torch import Tensor

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.batches import BatchTokens, tensors_of, texts_in
from attn_monitor.monitor.tokens import HuggingFaceTokenizer, TokenSource

MOST_OWN: Final = 1024  # sentences; every one is replayed at every recorded step
Probes = int | Sequence[str] | Sequence[object]
Tokenizer = Callable[[list[str]], object]
_HOW = "tokenizer=lambda texts: hf_tokenizer(texts, padding=True, return_tensors='pt')"


def check_probes(probes: object, tokenizer: object) -> None:
    """Refuse a ``probes=`` option that is neither a number nor a list of texts or of batches.

    Raises:
        ConfigurationError: It is none of these, or ``tokenizer`` cannot be used with it.
    """
    if tokenizer is not None and not callable(tokenizer):
        raise ConfigurationError(
            f"tokenizer={tokenizer!r} must be a callable from a list of texts to what the model "
            f"takes, as in {_HOW}, or None"
        )
    if isinstance(probes, int):
        if not isinstance(probes, bool) and probes >= 1:
            return
    elif isinstance(probes, list | tuple) and probes:
        texts = sum(isinstance(each, str) for each in probes)
        if 0 < texts < len(probes):
            raise ConfigurationError(
                f"probes= holds {texts} texts and {len(probes) - texts} other things; wanted texts "
                "alone, or batches alone"
            )
        check_count(len(probes))
        return
    got = f"a {type(probes).__name__}" if isinstance(probes, Tensor | Mapping) else repr(probes)
    raise ConfigurationError(
        f"probes must be an integer >= 1, got {got}; a list of texts or of batches will do as well"
    )


def texts_of(probes: Probes) -> list[str] | None:
    """Return the texts that were given as probes, ``None`` where they are no texts."""
    if isinstance(probes, int) or not isinstance(probes[0], str):
        return None
    return [str(text) for text in probes]


def tokenized(
    texts: Sequence[str], tokenizer: Tokenizer | None, tokens: TokenSource, *, at_once: int
) -> Iterator[tuple[list[str], object]]:
    """Yield some texts and the batch that they make, until all have come.

    Args:
        texts: What to tokenize.
        tokenizer: The user's way from texts to a batch.
        tokens: Serves instead where it is a tokenizer that can be called.
        at_once: So many texts at most.

    Raises:
        ConfigurationError: Nothing turns texts into a batch.
    """
    make: Any = tokenizer if tokenizer is not None else tokens
    hugging_face = isinstance(make, HuggingFaceTokenizer)
    if not callable(make) or (tokenizer is None and not hugging_face):
        raise ConfigurationError(
            "probes= holds texts, and nothing says how they become what the model takes. Give "
            f"tokens= a Hugging Face tokenizer, or {_HOW}"
        )
    if hugging_face and getattr(make, "pad_token_id", None) is None:
        at_once = 1  # it cannot pad
    for first in range(0, len(texts), at_once):
        some = list(texts[first : first + at_once])
        if hugging_face:
            yield some, make(some, padding=len(some) > 1, return_tensors="pt")
        else:
            yield some, make(some)


def check_tokenized(texts: Sequence[str], batch: object, tokens: BatchTokens) -> None:
    """Refuse what a tokenizer made of texts if it has not one row of tokens for each.

    Raises:
        ConfigurationError: Another number of rows, or a text without tokens.
    """
    if not any(True for _ in tensors_of(batch)) or len(tokens) != len(texts):
        got = f"{len(tokens)} rows" if any(True for _ in tensors_of(batch)) else "no tensors"
        raise ConfigurationError(
            f"tokenizer= made {got} of {len(texts)} texts; wanted tensors with a row per text, as "
            f"in {_HOW}"
        )
    for text, ids in zip(texts, tokens.source.ids, strict=True):
        if not ids:
            raise ConfigurationError(f"probes= holds {text!r}, of which no token is left")


def check_batch(number: int, batch: object, tokens: BatchTokens) -> None:
    """Refuse what was given as a batch and is a single sample, or holds no sentence.

    Raises:
        ConfigurationError: It is no batch.
    """
    flat = all(tensor.dim() < 2 for tensor in tensors_of(batch))  # noqa: PLR2004
    if not tokens.source.named and flat and not any(True for _ in texts_in(batch)):
        raise ConfigurationError(
            f"probes[{number}] looks like one sample: none of its tensors has an axis of sentences "
            "and one of tokens. Wanted batches as the model's step gets them: "
            "probes=[loader.collate_fn([dataset[3], dataset[7]])]"
        )
    if not any(tokens.source.ids):
        raise ConfigurationError(f"probes[{number}] holds no sentence that has tokens")


def check_count(count: int) -> None:
    """Refuse more sentences than can be replayed at every step.

    Raises:
        ConfigurationError: There are too many.
    """
    if count > MOST_OWN:
        raise ConfigurationError(
            f"probes= holds {count} sentences or more; at most {MOST_OWN} can be given, because "
            "all of them are replayed at every recorded step"
        )
