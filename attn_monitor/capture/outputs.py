"""The model's own answer and the hidden states behind it, read from whatever it returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from attn_monitor.capture.modules import ForwardResults
from attn_monitor.capture.padding import padded

_ANSWERS: Final = ("logits", "last_hidden_state")
_STATES: Final = ("last_hidden_state", "hidden_states")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a forward pass ended with.

    Attributes:
        answer: The model's output (``logits`` where it has a name): ``[sentence, class]`` for a
            classifier; ``None`` where no tensor was returned.
        last_hidden: Output of the outermost module around the attention layers that is not as
            wide as the answer, ``[sentence, token, d_model]`` for most models (a module that only
            wraps another one hands its answer on); ``None`` where there is none.
    """

    answer: Tensor | None
    last_hidden: Tensor | None

    @classmethod
    def of(cls, results: ForwardResults) -> Outputs:
        """Read the tensors out of what the modules returned."""
        answer = _tensor(results.output, _ANSWERS)
        found = [_tensor(returned, _STATES) for returned in results.inner]
        states = [tensor for tensor in found if tensor is not None]
        other = [x for x in states if answer is None or x.shape[-1:] != answer.shape[-1:]]
        return cls(answer=answer, last_hidden=next(iter([*other, *states]), None))


def _tensor(returned: object, names: tuple[str, ...]) -> Tensor | None:
    """Return the named tensor of a model output, else its first floating-point tensor."""
    if isinstance(returned, Tensor):
        return _whole(returned)
    if isinstance(returned, Mapping):
        named = [returned[name] for name in names if name in returned]
        return _first([*named, *returned.values()])
    return _first(returned) if isinstance(returned, (tuple, list)) else None


def _first(values: Sequence[object]) -> Tensor | None:
    """Return the first floating-point tensor; of a tuple of layers, the last one."""
    for value in values:
        last = value[-1] if isinstance(value, (tuple, list)) and value else value
        if isinstance(last, Tensor) and last.is_floating_point():
            return _whole(last)
    return None


def _whole(tensor: Tensor) -> Tensor:
    """Return nested sentences padded; other tensors as they are, so that gradients can be taken."""
    return padded(tensor).values if tensor.is_nested else tensor
