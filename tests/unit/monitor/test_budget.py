"""What a byte budget leaves of each probe, and in which order it gives things up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.core.nouns import Layer, Part, Probe, Tokens
from attn_monitor.monitor.budget import keep_within, step_bytes


def part(name="encoder", layers=2, heads=4):
    made = tuple(Layer(name=f"l{i}", heads=heads) for i in range(layers))
    return Part(name=name, kind="self", causal=False, layers=made)


PART = part()


def probes(*splits, length=10):
    tokens = Tokens(text=("w",) * length)
    return [Probe(index=i, split=split, source=tokens) for i, split in enumerate(splits)]


def forms(plan):
    return [kept.form for kept in plan.kept]


MAP = 2 * 4 * 10 * (10 + 2)
VECTORS = 2 * 2 * 4 * 30 * 8


@pytest.mark.parametrize(
    ("budget", "whole", "vectors"),
    [
        (MAP, {0}, set()),
        (2 * MAP, {0, 2}, set()),
        (4 * MAP, {0, 1, 2, 3}, set()),
        (5 * MAP + VECTORS, {0, 1, 2, 3, 4}, {4}),
        (4 * MAP + VECTORS, {0, 1, 2, 3}, {4}),
    ],
)
def test_validation_and_training_take_turns_and_lens_sentences_come_last(budget, whole, vectors):
    given_probes = probes("val", "val", "train", "train", "lens")
    plan = keep_within(budget, [PART], given_probes, {"encoder": 8})
    assert {kept.probe for kept in plan.kept if kept.form == "whole"} == whole
    assert {kept.probe for kept in plan.kept if kept.vectors} == vectors
    assert (plan.whole, plan.vectors) == (len(whole), len(vectors))


THUMBNAIL = 2 * 4 * 60 * 62  # 600 tokens, 10 to a cell
LONG = 2 * 4 * 600 * 602
CORNER = {window: 2 * 4 * window * (window + 2) for window in (512, 256, 32)}


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (2 * LONG, ["whole", "whole"]),
        (LONG + THUMBNAIL, ["whole", "thumbnail"]),
        (LONG + THUMBNAIL + CORNER[256], ["whole", "window"]),
        (2 * THUMBNAIL + CORNER[512] + CORNER[32], ["window", "window"]),
        (2 * THUMBNAIL, ["thumbnail", "thumbnail"]),
        (THUMBNAIL, ["thumbnail", "metrics"]),
    ],
)
def test_every_long_sentence_has_coarse_maps_before_any_has_more(budget, expected):
    plan = keep_within(budget, [PART], probes("val", "train", length=600), {})
    assert forms(plan) == expected
    assert plan.size <= budget


def test_a_window_stands_beside_coarse_maps_and_is_the_largest_that_fits():
    plan = keep_within(THUMBNAIL + CORNER[512], [PART], probes("val", length=600), {})
    (kept,) = plan.kept
    assert (kept.form, kept.window, kept.cells) == ("window", 512, 64)
    assert plan.size == THUMBNAIL + CORNER[512]


def test_lens_sentences_come_before_windows_and_may_keep_vectors_alone():
    long = probes("val", "lens", length=600)
    vectors = 2 * 2 * 4 * 1800 * 8
    plan = keep_within(THUMBNAIL + vectors + CORNER[32], [PART], long, {"encoder": 8})
    assert forms(plan) == ["window", "metrics"]
    assert [kept.vectors for kept in plan.kept] == [False, True]
    assert plan.kept[0].window == 32


def test_below_one_thumbnail_layers_go_first_and_heads_go_last():
    deep = part(layers=9, heads=8)
    one = 8 * 60 * 62
    long = probes("val", length=600)
    (kept,) = keep_within(3 * one, [deep], long, {}).kept
    assert (kept.form, kept.layers, kept.heads) == ("thumbnail", 3, None)
    (kept,) = keep_within(one, [deep], long, {}).kept
    assert (kept.form, kept.layers, kept.heads) == ("thumbnail", 1, None)
    (kept,) = keep_within(one // 2, [deep], long, {}).kept
    assert (kept.form, kept.layers, kept.heads) == ("thumbnail", 1, 4)
    plan = keep_within(one // 8 - 1, [deep], long, {})
    assert plan.empty
    assert plan.size == 0


@given(
    st.integers(0, 400_000),
    st.lists(st.tuples(st.sampled_from(["val", "train", "lens"]), st.integers(1, 300)), max_size=8),
)
def test_the_budget_is_never_exceeded_and_the_books_are_right(budget, sentences):
    found = [
        Probe(index=i, split=split, source=Tokens(text=("w",) * n))
        for i, (split, n) in enumerate(sentences)
    ]
    plan = keep_within(budget, [PART], found, {"encoder": 8})
    sizes = [
        step_bytes(kept, [PART], probe, {"encoder": 8})
        for kept, probe in zip(plan.kept, found, strict=True)
    ]
    assert plan.size == sum(sizes) <= budget
    for kept, probe in zip(plan.kept, found, strict=True):
        assert not kept.vectors or probe.split == "lens"
        assert kept.window < len(probe.source)
        assert (kept.window > 0) == (kept.form == "window")
        assert (kept.cells > 0) == (kept.form in ("window", "thumbnail"))
