import numpy as np
from pixels import images, pixels, texts
from sample_maps import random_attention

from attn_monitor.figures import colour, pile_sheet

WORDS = ["[CLS]", "a", "b", "c"]


def sheet(labels, **options):
    attn = random_attention(0, *np.shape(labels), 4, 4)
    words = {"query_tokens": WORDS, "key_tokens": WORDS, "title": "piles", "height": 0.2}
    return attn, pile_sheet(attn, np.array(labels), **{**words, **options})


def test_every_pile_is_a_map_and_the_largest_comes_first():
    attn, figure = sheet([[0, 1, 1, 2]])
    maps = images(figure)[:-1]
    assert len(maps) == 3
    expected = colour.paint(attn[0, [1, 2]].mean(axis=0), head=None)
    np.testing.assert_array_equal(maps[0].get_array(), expected)


def test_a_pile_of_one_keeps_the_hue_of_its_head():
    attn, figure = sheet([[0, 1, 1, 2]])
    np.testing.assert_array_equal(images(figure)[2].get_array(), colour.paint(attn[0, 3], head=3))


def test_badges_are_the_members_and_the_title_counts_them():
    _, figure = sheet([[0, 1, 1, 0], [0, 0, 0, 0]])
    assert texts(figure)[:4] == [
        "piles",
        "3 piles of 8 heads, merged up to distance 0.20",
        "L1",
        "1",
    ]
    assert texts(figure)[3:7] == ["1", "4", "2", "3"]
    assert texts(figure)[7:12] == ["L2", "1", "2", "3", "4"]


def test_padded_heads_are_in_no_pile():
    _, figure = sheet([[0, 1, 1, 1], [0, 1, 2, 3]], heads_per_layer=[2, 4])
    assert "6 piles of 6 heads, merged up to distance 0.20" in texts(figure)


def test_a_picture_lies_above_the_sheets_behind_it():
    attn, figure = sheet([[0, 0]])
    left, right, bottom, top = images(figure)[0].get_extent()
    painted = colour.paint(attn[0].mean(axis=0), head=None)
    shown = pixels(figure)[round(bottom * 0.9 + top * 0.1), round(right * 0.6 + left * 0.4)]
    np.testing.assert_array_equal(shown, painted[3, 2])
