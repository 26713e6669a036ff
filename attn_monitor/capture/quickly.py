"""The operators that run most often, followed in few steps: views, and projections of tokens.

They say what the rules of :mod:`.travel` say of them.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor

from attn_monitor.capture.moves import LOOKING, RESHAPING
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.origins import Origin, all_mixed, of_tokens, origin_of, set_origin

_VIEWING: Final = RESHAPING | LOOKING
_PROJECTING: Final = frozenset({"mm", "addmm"})
_MATRIX: Final = 2


def followed_quickly(call: OperatorCall, name: str) -> bool:
    """Note what is known of the result of a frequent operator; return whether that was done."""
    if name in _VIEWING:
        return _seen_otherwise(call, name)
    return name in _PROJECTING and _projected(call, name)


def _seen_otherwise(call: OperatorCall, name: str) -> bool:
    """Note what is known of a view of one tensor, by far the most frequent operator."""
    source, result = call.args[0] if call.args else None, call.result
    if not (isinstance(source, Tensor) and isinstance(result, Tensor)):
        return False
    origin = origin_of(source)
    if origin is None:
        return True
    if source.is_nested or result.is_nested:
        return False
    if origin.code is not None:
        try:
            code = (
                origin.code.reshape(result.shape)
                if name in RESHAPING
                else call.operator(origin.code, *call.args[1:], **call.kwargs)  # type: ignore[operator]
            )
        except (RuntimeError, TypeError, IndexError, ValueError):
            code = all_mixed(result.shape)
        origin = Origin(
            code=code, learned=origin.learned, passed=origin.passed, joined=origin.joined
        )
    set_origin(result, origin)
    return True


def _projected(call: OperatorCall, name: str) -> bool:
    """Note what is known of tokens that were multiplied with parameters, token by token."""
    result = call.result
    found = [origin_of(arg) if isinstance(arg, Tensor) else None for arg in call.args]
    at = 1 if name == "addmm" else 0
    if not isinstance(result, Tensor) or len(found) != at + 2:
        return False
    origin = found[at]
    if (
        origin is None
        or origin.code is None
        or any(o and o.code is not None for o in found[at + 1 :])
    ):
        return False
    bias = found[0] if at else None
    tokens = of_tokens(origin.code)
    if tokens is None or tokens.dim() != _MATRIX or (bias is not None and bias.code is not None):
        return False
    learned = any(other is not None and other.learned for other in found)
    others = (other.passed for other in found if other is not None and other is not origin)
    passed = origin.passed.union(*others)
    code = tokens.expand(result.shape)
    set_origin(result, Origin(code=code, learned=learned, passed=passed, joined=origin.joined))
    return True
