"""Token ids to the strings people read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from attn_monitor.core.errors import ConfigurationError, TokenLengthError
from attn_monitor.core.nouns import Tokens
from attn_monitor.core.special import special_positions
from attn_monitor.monitor.batches import Ids


@runtime_checkable
class HuggingFaceTokenizer(Protocol):
    """The two names we use of a `transformers` tokenizer."""

    all_special_ids: list[int]
    pad_token_id: int | None

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        """Return one string per id."""
        ...


@runtime_checkable
class RustTokenizer(Protocol):
    """The one name we use of a `tokenizers.Tokenizer`."""

    def id_to_token(self, token_id: int) -> str | None:
        """Return the string of one id."""
        ...


TokenSource = HuggingFaceTokenizer | RustTokenizer | Callable[[list[int]], Sequence[str]] | None


def check_token_source(tokens: object) -> None:
    """Refuse a ``tokens=`` option that cannot turn ids into strings.

    Raises:
        ConfigurationError: It is neither a tokenizer nor a callable nor ``None``.
    """
    known = isinstance(tokens, HuggingFaceTokenizer | RustTokenizer) or callable(tokens)
    if tokens is not None and not known:
        raise ConfigurationError(
            f"tokens={tokens!r} is neither a tokenizer (convert_ids_to_tokens or id_to_token), "
            "nor a callable from a list of ids to a list of strings, nor None"
        )
    if callable(tokens) and not isinstance(tokens, HuggingFaceTokenizer | RustTokenizer):
        if hasattr(tokens, "lookup_tokens"):
            raise ConfigurationError(
                f"tokens={tokens!r} turns strings into ids; wanted the way back: "
                "tokens=vocab.lookup_tokens"
            )
        try:
            answer = tokens([0, 1])
        except TypeError as error:
            raise ConfigurationError(
                f"tokens={tokens!r} takes no list of ids: {error}. Wanted: a tokenizer, or a "
                "callable from a list of ids to a list with one string per id"
            ) from error
        except Exception:  # noqa: BLE001  # these two ids may mean nothing to it
            return
        problem = _no_strings(answer)
        if problem is not None:
            raise ConfigurationError(f"tokens={tokens!r} {problem}")


def _no_strings(answer: object) -> str | None:
    """Return what is wrong with the answer of a ``tokens=`` callable, ``None`` for strings."""
    wanted = "wanted a list with one string per id, as tokenizer.convert_ids_to_tokens returns"
    if isinstance(answer, str):
        return f"returns one string for a list of ids; {wanted}"
    strings = list(answer) if isinstance(answer, Iterable) else [answer]
    other = next((item for item in strings if not isinstance(item, str)), None)
    if other is None:
        return None
    return f"returns {type(other).__name__} {other!r} among its strings; {wanted}"


def padding_id(tokens: TokenSource) -> int | None:
    """Return the tokenizer's padding id; ``None`` where it has none or uses it for more.

    Where padding is also the end or the beginning of a text, an id alone does not tell which.
    """
    if isinstance(tokens, HuggingFaceTokenizer):
        others = (getattr(tokens, name, None) for name in ("eos_token_id", "bos_token_id"))
        return None if tokens.pad_token_id in others else tokens.pad_token_id
    found = getattr(tokens, "pad_id", None)
    return found if isinstance(found, int) else None


def spell(ids: Ids, tokens: TokenSource) -> Tokens:
    """Return the strings of one sentence and which of them are not words.

    Without a tokenizer an id is shown as its number: a picture without words is still a picture.

    Raises:
        TokenLengthError: The callable returned another number of strings than it got ids.
    """
    if all(isinstance(t, str) for t in ids):
        text = tuple(str(t) for t in ids)
        return Tokens(text=text, special=special_positions(text))
    numbers = [int(t) for t in ids]
    if isinstance(tokens, HuggingFaceTokenizer):
        text = tuple(str(t) for t in tokens.convert_ids_to_tokens(numbers))
        special_ids = set(tokens.all_special_ids) - {getattr(tokens, "unk_token_id", None)}
        return Tokens(
            text=text, special=tuple(i for i, n in enumerate(numbers) if n in special_ids)
        )
    if isinstance(tokens, RustTokenizer):
        text = tuple(tokens.id_to_token(n) or str(n) for n in numbers)
    elif tokens is None:
        return Tokens(text=tuple(str(n) for n in numbers))
    else:
        answer = tokens(numbers)
        problem = _no_strings(answer)
        if problem is not None:
            raise TokenLengthError(f"tokens={tokens!r} {problem}")
        text = tuple(answer)
    if len(text) != len(numbers):
        raise TokenLengthError(
            f"tokens= returned {len(text)} strings for {len(numbers)} ids; wanted one string per "
            f"id. The ids were {numbers[:8]}..., the strings {list(text[:8])}..."
        )
    return Tokens(text=text, special=special_positions(text))


def positions(length: int) -> Tokens:
    """Return position numbers as tokens, for sentences whose own tokens do not fit."""
    return Tokens(text=tuple(f"#{i}" for i in range(length)))
