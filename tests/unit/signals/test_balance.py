"""Probe sets that differ in what has nothing to do with learning are found out."""

import numpy as np
import pytest
from scipy import stats

from attn_monitor.core.nouns import Probe, Tokens
from attn_monitor.signals.balance import compare_probe_sets


def sentences(split, count, *, length=12, unknown=0.1, special=1, seed=0, word="[UNK]"):
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        size = length + int(rng.integers(-3, 4))
        text = ["[CLS]"] * special
        text += [word if rng.random() < unknown else "word" for _ in range(size)]
        tokens = Tokens(text=tuple(text), special=tuple(range(special)))
        found.append(Probe(index=index, split=split, source=tokens))
    return found


def properties(val, train):
    return {one.name: one for one in compare_probe_sets(val, train)}


def test_sets_drawn_alike_match():
    found = properties(sentences("val", 30), sentences("train", 30, seed=1))
    assert all(one.matches for one in found.values())


@pytest.mark.parametrize(
    ("change", "name"),
    [({"unknown": 0.0}, "unknown"), ({"length": 16}, "length"), ({"special": 2}, "special")],
)
def test_a_planted_imbalance_is_found_and_named(change, name):
    found = properties(sentences("val", 30), sentences("train", 30, seed=1, **change))
    assert not found[name].matches
    assert found[name].p <= 0.002


def test_with_many_sentences_a_difference_must_also_be_large_enough_to_matter():
    val, train = sentences("val", 400), sentences("train", 400, seed=1, unknown=0.07)
    unknown = properties(val, train)["unknown"]
    assert unknown.p < 0.01
    assert unknown.matches
    shares = [
        [np.mean([text == "[UNK]" for text in probe.source.text]) for probe in probes]
        for probes in (val, train)
    ]
    t = stats.ttest_ind(*shares).statistic  # t = d sqrt(n / 2) for two sets of n
    assert unknown.d == pytest.approx(t * np.sqrt(2 / 400))
    assert not properties(val, sentences("train", 400, seed=1, unknown=0.03))["unknown"].matches


@pytest.mark.parametrize("word", ["[UNK]", "<unk>", "<UNK>", "unk", "<|unknown|>"])
def test_unknown_tokens_are_told_by_their_spelling(word):
    val = sentences("val", 20, word=word)
    assert properties(val, val)["unknown"].val > 0.02


def test_words_that_merely_contain_unk_are_known():
    val = sentences("val", 20, word="junk")
    assert properties(val, val)["unknown"].val == 0


def test_the_second_stream_counts_too():
    val = sentences("val", 20)
    long = Tokens(text=("a",) * 40)
    train = [Probe(index=p.index, split="train", source=p.source, target=long) for p in val]
    assert properties(val, train)["length"].train == pytest.approx(
        (properties(val, val)["length"].val + 40) / 2
    )


def test_well_drawn_sets_are_warned_about_as_rarely_as_promised():
    warned = 0
    for seed in range(300):
        both = sentences("val", 40, seed=seed)
        found = compare_probe_sets(both[:20], both[20:])
        warned += any(not one.matches for one in found)
    # Special tokens never differ here, so two properties are tested at 1 % each.
    assert stats.binomtest(warned, 300, 0.02).pvalue > 0.001
