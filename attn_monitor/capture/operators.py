"""One call as a family sees it: arguments by their name in the schema or the signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")


def once_per_operator(function: Callable[[object], T]) -> Callable[[object], T]:
    """Compute what a function says of an operator once; found again by identity.

    Hashing an operator runs Python code, which ``functools.cache`` would do for every call of it.
    """
    known: dict[int, tuple[object, T]] = {}

    @wraps(function)
    def remembered(operator: object) -> T:
        found = known.get(id(operator))
        if found is None:  # the operator is held, so that its identity stays its own
            found = known[id(operator)] = operator, function(operator)
        return found[1]

    return remembered


@dataclass(slots=True, init=False)  # one is made per operator: in as few steps as can be
class OperatorCall:
    """A finished call of a PyTorch operator, or of a registered kernel's Python function.

    Attributes:
        operator: What ran, for example ``aten.bmm.default``.
        args: Positional arguments.
        kwargs: Keyword arguments.
        result: What it returned.
        name: The operator's name without namespace and overload, for example ``bmm``.
    """

    operator: object
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    result: object
    name: str

    def __init__(
        self,
        operator: object,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        result: object,
        name: str = "",
    ) -> None:
        self.operator = operator
        self.args = args
        self.kwargs = kwargs
        self.result = result
        self.name = name or operator_name(operator)

    @property
    def output(self) -> Tensor:
        """The first returned tensor."""
        first = self.result[0] if isinstance(self.result, (tuple, list)) else self.result
        if not isinstance(first, Tensor):
            raise TypeError(f"{self.name} returned {type(first).__name__}, wanted a tensor")
        return first

    def argument(self, name: str) -> object:
        """Return an argument by name; its default where it was left out or is not a parameter."""
        position, default = _parameters(self.operator).get(name, (len(self.args), None))
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if position < len(self.args) else default

    def tensor(self, name: str) -> Tensor:
        """Return an argument that must be a tensor."""
        value = self.argument(name)
        if not isinstance(value, Tensor):
            raise TypeError(f"{self.name}({name}=...) is {type(value).__name__}, wanted a tensor")
        return value

    def optional_tensor(self, name: str) -> Tensor | None:
        """Return an argument that is a tensor or ``None``."""
        return None if self.argument(name) is None else self.tensor(name)

    def flag(self, name: str) -> bool:
        """Return an argument that is true or false."""
        return bool(self.argument(name))

    def number(self, name: str, default: float) -> float:
        """Return a numeric argument; ``default`` where it is ``None``."""
        value = self.argument(name)
        return float(value) if isinstance(value, (int, float)) else default


@once_per_operator
def operator_name(operator: object) -> str:
    """Return an operator's name without namespace and overload."""
    return str(getattr(operator, "__name__", operator)).partition(".")[0]


@once_per_operator
def _parameters(operator: object) -> dict[str, tuple[int, object]]:
    """Return position and default of each parameter of a schema or a signature."""
    schema = getattr(operator, "_schema", None)
    if schema is not None:
        return {
            argument.name: (position, argument.default_value)
            for position, argument in enumerate(schema.arguments)
        }
    if not callable(operator):
        raise TypeError(f"{operator_name(operator)} has no argument names to read")
    return {
        name: (position, None if parameter.default is parameter.empty else parameter.default)
        for position, (name, parameter) in enumerate(signature(operator).parameters.items())
    }
