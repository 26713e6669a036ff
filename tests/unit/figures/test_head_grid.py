import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pixels import images, pixels, texts

from attn_monitor.core.nouns import MetricSpec
from attn_monitor.figures import colour, head_grid, sorted_heads

SPEC = MetricSpec(name="m", title="Mine", unit="1", low=0.0, high=1.0, reading="0: low.")
WORDS = ["[CLS]", "a", "b"]


def attention(layers=2, heads=3, queries=3, keys=3):
    scores = np.random.default_rng(0).normal(size=(layers, heads, queries, keys))
    weights = np.exp(scores)
    return weights / weights.sum(axis=-1, keepdims=True)


def grid(attn, **options):
    return head_grid(
        attn, **{"query_tokens": WORDS, "key_tokens": WORDS, "title": "encoder", **options}
    )


def maps_of(figure):
    """Return the images of heads: all but the scale bar, which is drawn last."""
    return images(figure)[:-1]


def test_every_layer_is_a_row_and_every_head_a_column():
    maps = maps_of(grid(attention()))
    lefts = [image.get_extent()[0] for image in maps]
    tops = [image.get_extent()[3] for image in maps]
    assert lefts[:3] == lefts[3:] == sorted(set(lefts))
    assert len(set(tops[:3])) == len(set(tops[3:])) == 1
    assert tops[0] < tops[3]


def test_a_strong_weight_is_dark_where_its_query_row_meets_its_key_column():
    attn = np.zeros((1, 1, 3, 3))
    attn[0, 0, :, 2] = 1
    figure = grid(attn)
    left, right, bottom, top = maps_of(figure)[0].get_extent()
    row = round(top + (bottom - top) * 0.5)
    shown = pixels(figure)[row, [round(left + (right - left) * x) for x in (0.25, 0.75, 0.85)]]
    np.testing.assert_array_equal(shown[0], colour.ramp(0)[0])
    np.testing.assert_array_equal(shown[1:], colour.ramp(0)[[255, 255]])


def test_padded_heads_are_not_drawn():
    assert len(maps_of(grid(attention(), heads_per_layer=[1, 3]))) == 4


def test_the_diagonal_is_drawn_only_where_rows_and_columns_are_the_same_tokens():
    diagonals = [line for line in grid(attention()).axes[0].lines if len(line.get_xdata()) == 2]
    assert len(diagonals) == 6
    cross = grid(attention(keys=4), key_tokens=["x", "y", "z", "!"])
    assert [line for line in cross.axes[0].lines if len(line.get_xdata()) == 2] == []


def test_cross_attention_shows_both_sentences_and_the_shape_of_its_maps():
    figure = grid(attention(keys=6), key_tokens=list("uvwxyz"))
    assert {"rows: [CLS] a b", "columns: u v w x y z"} <= set(texts(figure))
    left, right, bottom, top = maps_of(figure)[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(2)


def test_badges_count_layers_and_heads_from_one():
    written = texts(grid(attention()))
    assert written[:6] == ["encoder", "1", "2", "3", "L1", "L2"]


def test_hostile_tokens_are_drawn_as_plain_text():
    figure = grid(attention(), query_tokens=["$\\frac{", "\U0001f4a9", "</text>"])
    assert "rows: $\\frac{ \u25a1 </text>" in texts(figure)
    pixels(figure)


def test_figures_are_drawn_off_the_main_thread():
    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(lambda: pixels(grid(attention()))).result()
    np.testing.assert_array_equal(drawn, pixels(grid(attention())))


def test_pictures_for_training_never_load_pyplot():
    code = "import sys, attn_monitor.figures; print('matplotlib.pyplot' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"


def test_every_row_stays_inside_the_picture_whatever_the_size_of_the_model():
    for layers, heads in ((1, 1), (24, 16), (3, 40)):
        figure = grid(attention(layers, heads))
        height, width = pixels(figure).shape[:2]
        for image in images(figure):
            left, right, bottom, top = image.get_extent()
            assert 0 < left < right < width
            assert 0 < top < bottom < height


def test_sorting_puts_low_values_first_and_undefined_ones_last():
    values = np.array([[0.5, np.nan, -0.25]])
    figure = sorted_heads(
        attention(1), values, spec=SPEC, query_tokens=WORDS, key_tokens=WORDS, title="sorted"
    )
    assert texts(figure)[3:9] == ["3", "\u22120.25", "1", "0.50", "2", "\u2013"]
    painted = colour.paint(attention(1)[0, 2], head=2)
    np.testing.assert_array_equal(maps_of(figure)[0].get_array(), painted)


def test_a_descending_metric_puts_high_values_first():
    spec = MetricSpec(
        name="m", title="M", unit="1", low=0.0, high=1.0, reading="-", direction="descending"
    )
    values = np.array([[0.1, 0.9, 0.5]])
    figure = sorted_heads(
        attention(1), values, spec=spec, query_tokens=WORDS, key_tokens=WORDS, title="sorted"
    )
    assert texts(figure)[3:9:2] == ["2", "3", "1"]
