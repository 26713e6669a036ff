import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_maps import one_head, one_hot_rows, random_attention

from attn_monitor.analysis.metrics.induction import induction, prefix_matching
from attn_monitor.core.maps import Maps


def causal(attn, text):
    return one_head(attn, causal=True, key_tokens=tuple(text))


def test_a_planted_induction_head_scores_1_on_a_phrase_said_twice():
    looks_at = [0, 1, 2, 1, 2, 3]  # the second a b c looks at b, c and the second a
    assert prefix_matching(causal(one_hot_rows(looks_at, keys=6), "abcabc")) == 1


def test_a_previous_word_head_scores_0_unless_that_word_came_after_the_same():
    previous = one_hot_rows([0, 0, 1, 2, 3, 4], keys=6)
    assert prefix_matching(causal(previous, "abcabc")) == 0


def test_every_earlier_copy_counts():
    row = [0.1, 0.3, 0.1, 0.4, 0.1]
    attn = np.vstack([np.tril(np.ones((4, 5)))[:4] / np.arange(1, 5)[:, None], row])
    # "a b a c a": the third word "a" may look at b (1/3), the last at b and c (0.3 + 0.4).
    np.testing.assert_allclose(prefix_matching(causal(attn, "abaca")), (1 / 3 + 0.7) / 2)


def test_a_word_said_twice_in_a_row_is_not_its_own_continuation():
    assert np.isnan(prefix_matching(causal(np.eye(2), "aa"))).all()


@pytest.mark.parametrize(
    "facts",
    [
        {"causal": True},
        {"key_tokens": ("a", "b", "a", "b")},
        {"causal": True, "key_tokens": ("a", "b", "c", "d")},
        {"cross": True, "key_tokens": ("a", "b", "a", "b")},
    ],
    ids=["no tokens", "no causal mask", "no repetition", "encoder-decoder"],
)
def test_induction_is_undefined_not_zero(facts):
    assert np.isnan(prefix_matching(one_head(np.tri(4) / np.arange(1, 5)[:, None], **facts))).all()


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_on_different_words_written_twice_it_is_the_score_of_olsson(period, seed):
    words = tuple(f"w{i}" for i in range(period))
    attn = random_attention(seed, 3, 2 * period, 2 * period, causal=True)
    maps = Maps(attn=attn, causal=True, key_tokens=words * 2)
    np.testing.assert_allclose(prefix_matching(maps), induction(attn, period=period))


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=9), st.integers(0, 2**32 - 1))
def test_induction_agrees_with_a_slow_loop(text, seed):
    attn = random_attention(seed, 2, len(text), len(text), causal=True)
    found = []
    for i in range(len(text)):
        earlier = [p for p in range(i - 1) if text[p] == text[i]]
        if earlier:
            found.append(sum(attn[:, i, p + 1] for p in earlier))
    score = prefix_matching(Maps(attn=attn, causal=True, key_tokens=tuple(text)))
    expected = np.mean(found, axis=0) if found else np.full(2, np.nan)
    np.testing.assert_allclose(score, expected)


def test_long_sentences_are_read_in_blocks(monkeypatch):
    maps = Maps(
        attn=random_attention(3, 2, 40, 40, causal=True), causal=True, key_tokens=("x", "y") * 20
    )
    whole = prefix_matching(maps)
    monkeypatch.setattr("attn_monitor.core.maps.BLOCK_WEIGHTS", 100)
    np.testing.assert_allclose(prefix_matching(maps), whole)
