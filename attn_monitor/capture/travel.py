"""How the codes of :mod:`.origins` travel through every operator of a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.moves import (
    MOVING,
    RESHAPING,
    SAME,
    Answer,
    code_of,
    moved,
    tensors,
)
from attn_monitor.capture.operators import OperatorCall
from attn_monitor.capture.origins import (
    ALL_MIXED,
    Origin,
    all_mixed,
    compact,
    merged,
    of_tokens,
    origin_of,
    overwrite,
    reduced,
    set_origin,
)
from attn_monitor.capture.quickly import followed_quickly

# How new keys are put beside those of a cache.
_JOINING: Final = frozenset(("cat", "stack", "where", "slice_scatter", "index_copy", "index_put"))
_MAKING: Final = frozenset(
    {
        "zeros",
        "empty",
        "full",
        "ones",
        "zeros_like",
        "empty_like",
        "new_zeros",
        "new_empty",
        "new_full",
        "new_ones",
        "ones_like",
        "full_like",
        "empty_strided",
        "new_empty_strided",
    }
)
_PRODUCTS: Final = {
    "mm": ("self", "mat2"),
    "bmm": ("self", "mat2"),
    "addmm": ("mat1", "mat2"),
    "baddbmm": ("batch1", "batch2"),
    "matmul": ("self", "other"),
}
_REDUCING: Final = frozenset(
    {
        "sum",
        "mean",
        "amax",
        "amin",
        "max",
        "min",
        "prod",
        "logsumexp",
        "var",
        "std",
        "norm",
        "any",
        "all",
        "argmax",
        "argmin",
        "median",
        "nanmean",
        "linalg_vector_norm",
        "var_mean",
        "std_mean",
        "count_nonzero",
        "nansum",
        "mode",
    }
)
# The shape stays, the entries along one axis are mixed all the same.
_MIXING: Final = frozenset(
    {
        "cumsum",
        "cumprod",
        "cummax",
        "cummin",
        "logcumsumexp",
        "sort",
        "argsort",
        "topk",
        "msort",
        "_softmax",
        "_log_softmax",
        "_safe_softmax",
        "_fft_r2c",
        "_fft_c2c",
        "_fft_c2r",
        "kthvalue",
    }
)
_RECURRENT: Final = frozenset({"lstm", "gru", "rnn_tanh", "mkldnn_rnn_layer", "_cudnn_rnn"})
_NORMS: Final = frozenset({"native_layer_norm", "_fused_rms_norm", "rms_norm", "layer_norm"})
_CHANNEL_NORMS: Final = frozenset({"native_group_norm", "instance_norm"})
# These write nothing: the tensor itself gets another shape over the same memory.
_RESHAPED_IN_PLACE: Final = frozenset(
    {"as_strided_", "squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_"}
)
# In training they know the whole batch; at every place they answer to the entry there.
_BATCH_NORMS: Final = frozenset(
    {
        "native_batch_norm",
        "cudnn_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_batch_norm_no_update",
        "_batch_norm_with_update",
    }
)
_LARGEST_BLANK: Final = 1 << 22
_MATRIX, _STACKED = 2, 3


def follow(call: OperatorCall) -> None:
    """Note what is known of an operator's results."""
    name = call.name
    if followed_quickly(call, name):
        return
    operands = list(tensors(call.args))
    if call.kwargs:
        operands += tensors(tuple(call.kwargs.values()))
    result = call.result
    results = [result] if isinstance(result, Tensor) else list(tensors((result,)))
    if name in _MAKING:
        for result in results:
            if result.dim() >= _MATRIX and result.numel() <= _LARGEST_BLANK:
                blank = torch.zeros(result.shape, dtype=torch.int64, device=result.device)
                set_origin(result, Origin(code=blank))
        return
    known = [(tensor, origin) for tensor in operands if (origin := origin_of(tensor))]
    if not known or not results:
        return
    learned = any(origin.learned for _, origin in known)
    passed = frozenset().union(*(origin.passed for _, origin in known if origin.passed))
    joined = frozenset().union(*(origin.joined for _, origin in known if origin.joined))
    if any(tensor.is_nested for tensor in (*operands, *results)):
        _follow_nested(known, results, learned, passed)
        return
    coded = [(tensor, origin) for tensor, origin in known if origin.code is not None]
    for result, after in zip(results, _after(call, coded, results), strict=False):
        written = name.endswith("_") and result is operands[0]
        written = written and name not in _RESHAPED_IN_PLACE
        code = _in_place(result, after) if written else after
        if name.removesuffix("_") in _JOINING:
            pieces = frozenset(origin.passed for _, origin in coded)
            joined |= pieces if len(pieces) > 1 else frozenset()
        set_origin(result, Origin(code=code, learned=learned, passed=passed, joined=joined))
        if written and result._base is not None:
            _tell_base(result._base, [origin for tensor, origin in known if tensor is not result])


def _tell_base(base: Tensor, written: Sequence[Origin]) -> None:
    """Note of a whole what was written into a part of it."""
    whole = origin_of(base)
    if whole is None or all(part.passed <= whole.passed for part in written):
        return
    passed = whole.passed.union(*(part.passed for part in written))
    joined = whole.joined | {whole.passed, *(part.passed for part in written)}
    learned = whole.learned or any(part.learned for part in written)
    set_origin(base, Origin(code=whole.code, learned=learned, passed=passed, joined=joined))


Known = list[tuple[Tensor, Origin]]


def _after(call: OperatorCall, coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    try:
        return _codes(call, coded, results)
    except (RuntimeError, TypeError, IndexError, ValueError):  # a rule that met what it is not for
        return [all_mixed(result.shape) if coded else None for result in results]


def _codes(call: OperatorCall, coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    name = call.name.removesuffix("_")
    if name in _PRODUCTS:
        return [_product(call, results[0])]
    if name in {"linear", "convolution"}:
        return [_projection(call, results[0])]
    if name in RESHAPING or name in SAME or name in MOVING:
        return moved(call, name, results)
    if not coded:
        return [None] * len(results)
    rule = _RULES.get(name)
    if rule is not None:
        return rule(call, coded, results)
    return [_pointwise(coded, result) for result in results]


def _embedded(call: OperatorCall, _coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    index = code_of(call.tensor("indices"))
    return [None if index is None else index[..., None].expand(results[0].shape)]


def _copied(call: OperatorCall, _coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    code = code_of(call.tensor("src"))
    return [None if code is None else code.expand(results[0].shape)]


def _added(call: OperatorCall, _coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    """Rows are added where an index says; which of several at one place it is, nobody knows."""
    scattered = call.name.startswith("scatter")
    rows, index = call.tensor("src" if scattered else "source"), call.tensor("index")
    old, new = code_of(call.tensor("self")), code_of(rows)
    if new is None:
        return [None if old is None else old.clone()]
    at = int(call.number("dim", 0.0)) % rows.dim()
    if scattered:
        new = new[tuple(slice(size) for size in index.shape)]
        kept = [size for dim, size in enumerate(new.shape) if dim != at]
        if "reduce" in call.name and kept == [*results[0].shape[:at], *results[0].shape[at + 1 :]]:
            return [reduced(new, [at]).expand(results[0].shape)]  # groups are entries of their own
    else:
        index = index.reshape([-1 if dim == at else 1 for dim in range(rows.dim())])
        index = index.expand(rows.shape)
    low, high = (
        torch.full(results[0].shape, none, dtype=new.dtype, device=new.device).scatter_reduce(
            at, index, new, how
        )
        for none, how in ((ALL_MIXED, "amin"), (0, "amax"))
    )
    laid = torch.where(high == 0, high, torch.where(low == high, low, ALL_MIXED))
    return [laid if old is None else merged(old, laid)]


def _mixed_along(call: OperatorCall, coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    code, axis = _first_code(coded), call.argument("dim")
    dims = list(axis) if isinstance(axis, Sequence) else [int(call.number("dim", -1.0))]
    return [reduced(code, dims).expand(result.shape) for result in results]


def _normed(call: OperatorCall, coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    shape = call.argument("normalized_shape")
    dims = range(-len(shape), 0) if isinstance(shape, Sequence) else [-1]
    code = of_tokens(_first_code(coded)) if len(dims) == 1 else None
    if code is None:
        code = reduced(_first_code(coded), dims, lenient=True)
    return [code.expand(results[0].shape), *[None] * (len(results) - 1)]


def _normed_over_channels(
    _call: OperatorCall, coded: Known, results: Sequence[Tensor]
) -> list[Answer]:
    code = _first_code(coded)
    mixed = reduced(code, range(1, code.dim())).expand(results[0].shape)
    return [mixed, *[None] * (len(results) - 1)]


def _normed_over_rows(_call: OperatorCall, coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    return [_first_code(coded).expand(results[0].shape), *[None] * (len(results) - 1)]


def _first_code(coded: Known) -> Tensor:
    code = coded[0][1].code
    if code is None:
        raise ValueError("no operand has codes")
    return code


def _pointwise(coded: Known, result: Tensor) -> Answer:
    codes = [origin.code for _, origin in coded if origin.code is not None]
    code = reduce(merged, codes)
    if code is codes[0]:
        code = compact(code).clone()
    try:
        return code.expand(result.shape)
    except RuntimeError:  # the result is smaller
        return all_mixed(result.shape)


def _product(call: OperatorCall, result: Tensor) -> Answer:
    left, right = (call.tensor(name) for name in _PRODUCTS[call.name.removesuffix("_")])
    one, other = code_of(left), code_of(right)
    if one is None and other is None:
        return None
    if left.dim() < _MATRIX or right.dim() < _MATRIX:
        return all_mixed(result.shape)
    if one is not None and other is None and (tokens := of_tokens(one)) is not None:
        return tokens.expand(result.shape)
    rows = None if one is None else reduced(one, [-1], lenient=True)
    columns = None if other is None else reduced(other, [-2])
    if rows is None or columns is None:
        shared = columns if rows is None else rows
        return None if shared is None else shared.expand(result.shape)
    # Scores belong to the tokens that ask; which keys they meet would take a code per weight.
    return merged(rows, reduced(columns, [-1])).expand(result.shape)


def _projection(call: OperatorCall, result: Tensor) -> Answer:
    source = call.tensor("input")
    code = code_of(source)
    if code is None:
        return None
    if call.name == "linear":
        return reduced(code, [-1], lenient=True).expand(result.shape)
    if result.dim() != source.dim():
        return all_mixed(result.shape)
    # A convolution that keeps the length looks around the entry that stays in the middle.
    one_way = source.dim() == _MATRIX + 1 and source.shape[2:] == result.shape[2:]
    pointwise = all(size == 1 for size in call.tensor("weight").shape[2:])
    if one_way or pointwise:
        return reduced(code, [1], lenient=True).expand(result.shape)
    return reduced(code, range(1, source.dim())).expand(result.shape)


def _over_axes(call: OperatorCall, coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    tensor, code = coded[0][0], _first_code(coded)
    axes = call.argument("dim")
    if axes is None or axes == []:
        if results[0].dim():  # the larger of two tensors
            return [_pointwise(coded, result) for result in results]
        return [reduced(code, range(code.dim())).reshape(()) for _ in results]
    chosen = axes if isinstance(axes, Sequence) else [int(call.number("dim", -1.0))]
    dims = [int(dim) % tensor.dim() for dim in chosen]
    shared = reduced(code, dims)
    kept = (shared if r.dim() == tensor.dim() else _without(shared, dims) for r in results)
    return [code.expand(result.shape) for code, result in zip(kept, results, strict=True)]


def _without(code: Tensor, dims: Sequence[int]) -> Tensor:
    for dim in sorted(dims, reverse=True):
        code = code.squeeze(dim)
    return code


def _recurrent(call: OperatorCall, _coded: Known, results: Sequence[Tensor]) -> list[Answer]:
    """A recurrent layer answers at every place to the entry there, knowing the others."""
    source = next(iter(tensors(call.args)))
    code = code_of(source)
    if code is None or results[0].shape[:-1] != source.shape[:-1]:
        return [None if code is None else all_mixed(result.shape) for result in results]
    shared = reduced(code, [-1], lenient=True).expand(results[0].shape)
    return [shared, *(all_mixed(result.shape) for result in results[1:])]


_Rule = Callable[[OperatorCall, Known, Sequence[Tensor]], list[Answer]]
_RULES: Final[dict[str, _Rule]] = {
    "embedding": _embedded,
    "copy": _copied,
    **dict.fromkeys(("index_add", "scatter_add", "scatter_reduce", "index_reduce"), _added),
    **dict.fromkeys(_REDUCING, _over_axes),
    **dict.fromkeys(_MIXING, _mixed_along),
    **dict.fromkeys(_RECURRENT, _recurrent),
    **dict.fromkeys(_NORMS, _normed),
    **dict.fromkeys(_CHANNEL_NORMS, _normed_over_channels),
    **dict.fromkeys(_BATCH_NORMS, _normed_over_rows),
}


def _in_place(result: Tensor, code: Tensor | None) -> Tensor | None:
    """Write codes where they are, so that what shares memory shares them too."""
    old = code_of(result)
    if old is None or code is None or old is code:
        return code if old is None else old
    overwrite(old, code)
    return old


def _follow_nested(
    known: Known, results: Sequence[Tensor], learned: bool, passed: frozenset[int]
) -> None:
    """Sentences without padding keep the codes of the padded ones."""
    dense = [(t, o.code) for t, o in known if t.is_nested or t.is_floating_point()]
    code = next((code for _, code in dense if code is not None), None)
    for result in results:
        fitting = None if code is None else _of_sentences(code, result)
        set_origin(result, Origin(code=fitting, learned=learned, passed=passed))


def _of_sentences(code: Tensor, result: Tensor) -> Tensor:
    """Return ``[sentence, token, channel]`` codes where a result still has those axes."""
    if result.is_nested:
        return code if code.dim() == result.dim() else all_mixed((1,) * result.dim())
    if result.shape == code.shape:
        return code
    if code.dim() == result.dim() == _STACKED and result.shape[0] == code.shape[0]:
        return code[:, : result.shape[1], :1].expand(result.shape)
    return all_mixed(result.shape)
