import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.core.types import Layer, Part, Probe, Tokens
from attn_monitor.monitor.budget import keep_within

PART = Part(
    name="encoder",
    kind="self",
    causal=False,
    layers=tuple(Layer(name=f"l{i}", heads=4) for i in range(2)),
)


def probes(*splits, length=10):
    tokens = Tokens(text=("w",) * length)
    return [Probe(index=i, split=split, source=tokens) for i, split in enumerate(splits)]


MAP = 2 * 4 * 10 * (10 + 2)
VECTORS = 2 * 2 * 4 * 20 * 8


@pytest.mark.parametrize(
    ("budget", "maps", "vectors"),
    [
        (0, set(), set()),
        (MAP, {0}, set()),
        (2 * MAP, {0, 2}, set()),
        (4 * MAP, {0, 1, 2, 3}, set()),
        (5 * MAP + VECTORS, {0, 1, 2, 3, 4}, {4}),
    ],
)
def test_validation_and_training_take_turns_and_lens_sentences_come_last(budget, maps, vectors):
    given_probes = probes("val", "val", "train", "train", "lens")
    kept = keep_within(budget, [PART], given_probes, {"encoder": 8})
    assert (set(kept.maps), set(kept.vectors)) == (maps, vectors)


@given(st.integers(0, 20_000), st.lists(st.integers(1, 40), max_size=8))
def test_the_budget_is_never_exceeded(budget, lengths):
    found = [
        Probe(index=i, split="val", source=Tokens(text=("w",) * n)) for i, n in enumerate(lengths)
    ]
    kept = keep_within(budget, [PART], found, {})
    assert kept.size <= budget
    assert kept.size == sum(8 * n * (n + 2) for i, n in enumerate(lengths) if i in kept.maps)
