import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from recordings import softmax_rows

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.store.codec import decode_attention, encode_attention, sums_to_one

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 12))
ROWS = SHAPES.flatmap(
    lambda shape: npst.arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
)


def undone(codes, row_max):
    """The code's own arithmetic in float64, before renormalising."""
    return (codes / 255.0) ** 2 * row_max.astype(np.float64)[..., None]


@given(ROWS)
def test_a_code_is_off_by_at_most_the_documented_bound(attn):
    codes, row_max = encode_attention(attn)
    top = attn.max(axis=-1, keepdims=True).astype(np.float64)
    share = np.sqrt(np.divide(attn, top, where=top > 0, out=np.zeros(attn.shape)))
    # 2**-24 is half the smallest float16: rows below it are stored as zeros.
    bound = top * (share / 255 + 1 / 510**2 + 2**-11) + 2.0**-24
    assert (np.abs(undone(codes, row_max) - attn) <= bound * 1.001).all()


@given(ROWS)
def test_decoded_rows_sum_to_one_or_are_zero(attn):
    decoded = decode_attention(*encode_attention(attn))
    sums = decoded.sum(axis=-1)
    empty = attn.max(axis=-1) < 2.0**-25
    np.testing.assert_allclose(sums[~empty & (sums > 0)], 1.0, rtol=1e-5)
    assert (sums[attn.max(axis=-1) == 0] == 0).all()


@given(st.integers(2, 64), st.integers(0, 2**31))
def test_softmax_rows_come_back_within_half_a_percent(length, seed):
    attn = softmax_rows(np.random.default_rng(seed), (2, 3, length))
    decoded = decode_attention(*encode_attention(attn))
    assert np.abs(decoded - attn).max() < 0.005


def test_one_hot_and_uniform_rows_come_back_exactly():
    attn = np.concatenate([np.eye(5), np.full((5, 5), 0.2)]).astype(np.float32)[None]
    np.testing.assert_allclose(decode_attention(*encode_attention(attn)), attn, atol=1e-7)


def test_the_square_root_keeps_the_entropy_that_a_linear_byte_destroys():
    attn = softmax_rows(np.random.default_rng(0), (1, 64, 512), sharpness=4.0)
    truth = scipy.stats.entropy(attn, axis=-1)
    ours = scipy.stats.entropy(decode_attention(*encode_attention(attn)), axis=-1)
    linear = scipy.stats.entropy(np.rint(attn * 255), axis=-1)
    assert np.abs(ours - truth).max() < 0.02
    assert np.abs(linear - truth).max() > 0.2


def test_rows_of_a_diverged_model_come_back_as_nan_and_leave_the_others_alone():
    attn = np.full((1, 4, 3), 1 / 3, np.float32)
    attn[0, 0, 1] = np.nan
    attn[0, 1, 2] = np.inf
    attn[0, 2, 0] = -np.inf
    decoded = decode_attention(*encode_attention(attn))
    assert np.isnan(decoded[0, :3]).all()
    np.testing.assert_allclose(decoded[0, 3], 1 / 3, atol=1e-6)


def test_padded_heads_stay_zero():
    codes, row_max = encode_attention(np.zeros((2, 3, 4), np.float32))
    assert not codes.any()
    assert not decode_attention(codes, row_max).any()


def test_half_precision_and_double_precision_are_taken_as_they_come():
    attn = softmax_rows(np.random.default_rng(1), (2, 3, 4))
    expected = decode_attention(*encode_attention(attn))
    for dtype in (np.float16, np.float64):
        found = decode_attention(*encode_attention(attn.astype(dtype)))
        np.testing.assert_allclose(found, expected, atol=0.005)


def test_rows_without_keys_are_refused():
    with pytest.raises(ConfigurationError, match=r"at least one key, got shape \(2, 3, 0\)"):
        encode_attention(np.zeros((2, 3, 0), np.float32))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_rows_that_leave_attention_to_a_sink_are_told_from_rounding(share):
    attn = softmax_rows(np.random.default_rng(0), (2, 4, 64))
    assert sums_to_one(attn)
    assert sums_to_one(attn.astype(np.float16))
    assert not sums_to_one(attn * np.float32(share))
    codes, row_max = encode_attention(attn * np.float32(share))
    decoded = decode_attention(codes, row_max, rows_sum_to_one=False)
    np.testing.assert_allclose(decoded, attn * share, atol=0.005)
    np.testing.assert_allclose(decoded.sum(axis=-1), share, rtol=0.03)


def test_padded_and_diverged_rows_do_not_count_as_missing_attention():
    attn = softmax_rows(np.random.default_rng(0), (3, 2, 5))
    attn[0] = 0.0
    attn[1, 0, 2] = np.nan
    assert sums_to_one(attn)
    attn[2, 1] *= 0.5
    assert not sums_to_one(attn)
