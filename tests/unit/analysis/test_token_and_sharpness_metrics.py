import numpy as np
from hypothesis import given
from sample_maps import A, layers, one_head, one_hot_rows

from attn_monitor.analysis.metrics.logits import logit_max
from attn_monitor.analysis.metrics.sharpness import confidence, participation, support
from attn_monitor.analysis.metrics.sinks import outside, sink, special
from attn_monitor.core.maps import Maps


def test_token_metrics_of_the_worked_example():
    np.testing.assert_allclose(sink(one_head(A)), [0.7 / 3])
    np.testing.assert_allclose(confidence(one_head(A)), [0.7])
    np.testing.assert_allclose(participation(A), [8 / 3, 1, 2.272727], atol=1e-6)


def test_special_is_the_share_of_all_special_keys_together():
    np.testing.assert_allclose(special(one_head(A, special=(0, 2))), [1.55 / 3])
    assert special(one_head(A)) == 0


@given(layers())
def test_all_keys_special_takes_all_attention(maps):
    every = Maps(attn=maps.attn, special=tuple(range(maps.keys)))
    np.testing.assert_allclose(special(every), 1)


@given(layers())
def test_attention_within_the_sentence_leaves_nothing_outside(maps):
    assert np.all(outside(maps) == 0)


def test_what_a_cropped_row_lacks_went_outside():
    padded = np.full((3, 5), 0.2)  # two of five keys are padding that no mask hides
    np.testing.assert_allclose(outside(one_head(padded[:, :3])), 0.4)


def test_nothing_is_known_of_a_head_that_diverged():
    assert np.isnan(outside(one_head(np.full((2, 2), np.nan)))).all()


def test_all_attention_on_the_first_key_is_a_sink():
    assert sink(one_head(one_hot_rows([0, 0, 0], keys=3))) == 1


@given(layers())
def test_confidence_and_support_stay_between_chance_and_1(maps):
    assert np.all(confidence(maps) >= np.mean(1 / maps.visible()) - 1e-12)
    assert np.all(confidence(maps) <= 1 + 1e-12)
    assert np.all(support(maps) >= 1 / maps.keys - 1e-12)
    assert np.all(support(maps) <= 1 + 1e-12)


@given(layers())
def test_a_uniform_head_has_full_support_and_chance_confidence(maps):
    uniform = maps.uniform()
    np.testing.assert_allclose(support(uniform), 1)
    np.testing.assert_allclose(confidence(uniform), np.mean(1 / maps.visible()))


def test_one_hot_rows_have_one_effective_key():
    np.testing.assert_array_equal(participation(one_hot_rows([2, 0, 1], keys=3)), 1)


def test_rows_without_any_attention_use_no_key():
    np.testing.assert_array_equal(participation(np.zeros((2, 3))), 0)


def test_support_is_undefined_for_a_sentence_of_one_token():
    assert np.isnan(support(one_head([[1.0]]))).all()


def test_logit_max_is_what_was_captured_and_undefined_where_hidden():
    seen = Maps(attn=np.ones((2, 1, 1)), logit_max=np.array([3.5, -1.0]))
    np.testing.assert_array_equal(logit_max(seen), [3.5, -1.0])
    assert np.isnan(logit_max(one_head(A))).all()
