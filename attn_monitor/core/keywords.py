"""Functions whose options are shown in full, and that say which option was meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def spelled_out(options: type | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function's signature show every option, and its errors the nearest one.

    Args:
        options: A dataclass whose fields are what the function takes as ``**options``; ``None``
            for a function that spells its options itself.

    Raises:
        TypeError: When the function is called with an option that it does not have; the message
            names the one that is spelled most like it, or all there are.

    Example:
        >>> @spelled_out()
        ... def draw(*, head: int = 0): ...
        >>> draw(haed=1)
        Traceback (most recent call last):
        TypeError: draw() got an unexpected keyword argument 'haed'; did you mean 'head'?
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = _with_fields(inspect.signature(function), options)
        name = function.__qualname__.removesuffix(".__init__").replace("<locals>.", "")
        kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        known = [p.name for p in signature.parameters.values() if p.kind in kinds]

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for wrong in kwargs.keys() - set(known):
                hint = meant(wrong, [each for each in known if each != "self"])
                raise TypeError(f"{name}() got an unexpected keyword argument {wrong!r}; {hint}")
            return function(*args, **kwargs)

        checked.__signature__ = signature  # type: ignore[attr-defined]  # what inspect reads
        return checked

    return decorate


def _with_fields(signature: inspect.Signature, options: type | None) -> inspect.Signature:
    if options is None:
        return signature
    spelled = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=field.type,
        )
        for field in fields(options)
        if field.name not in signature.parameters
    ]
    return signature.replace(parameters=[*spelled, *added])


def meant(wrong: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown name: the one spelled most like it, or all."""
    near = get_close_matches(wrong, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, known))}"
