import numpy as np
from frames import read_frame
from hypothesis import given
from hypothesis import strategies as st
from recordings import softmax_rows

from attn_monitor.store.codec import decode_attention, encode_attention
from tb_plugin.server.packed_frames import cut
from tb_plugin.server.wire import absolute_frame, attention_frame, series_frame


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_every_window_of_a_map_shows_the_values_of_the_whole(queries, keys, seed):
    rng = np.random.default_rng(seed)
    codes, row_max = encode_attention(softmax_rows(rng, (2, 3, queries, keys)))
    whole = decode_attention(codes, row_max.astype(np.float32))
    rows = sorted(rng.choice(queries + 1, 2, replace=False).tolist())
    columns = sorted(rng.choice(keys + 1, 2, replace=False).tolist())
    kept = slice(*rows)
    window = cut(
        codes[:, :, kept], row_max[:, :, kept].astype(np.float32), keys=(columns[0], columns[1])
    )
    _, values = read_frame(absolute_frame(*window))
    truth = whole[:, :, kept, slice(*columns)]
    np.testing.assert_allclose(values, truth, atol=1e-6)


def test_padded_and_diverged_rows_survive_the_journey():
    attn = softmax_rows(np.random.default_rng(0), (1, 3, 2, 4))
    attn[0, 0] = 0.0
    attn[0, 1, 0] = np.nan
    codes, row_max = encode_attention(attn)
    wide = row_max.astype(np.float32)
    for frame in (
        attention_frame(codes, wide),
        absolute_frame(*cut(codes, wide, keys=(0, 4))),
    ):
        _, values = read_frame(frame)
        assert not values[0, 0].any()
        assert np.isnan(values[0, 1, 0]).all()
        np.testing.assert_allclose(values[0, 2], attn[0, 2], atol=0.005)


def test_a_frame_has_the_documented_bytes():
    codes = np.array([[[[255, 0]]]], np.uint8)
    frame = attention_frame(codes, np.array([[[1.0]]], np.float32))
    expected = "41544d31 01 04 0000 01000000 01000000 01000000 02000000 0000803f ff00"
    assert frame == bytes.fromhex(expected.replace(" ", ""))


def test_series_come_back_bit_for_bit():
    series = np.arange(12, dtype=np.float32).reshape(3, 1, 2, 2)
    series[0, 0] = [[np.nan, np.inf], [-0.0, 1.5]]
    steps = np.array([0, 10, 2**32 - 1], np.uint32)
    kind, found, back = read_frame(series_frame(steps, series))
    assert kind == 3
    assert found.tolist() == [0, 10, 2**32 - 1]
    np.testing.assert_array_equal(back, series)
