"""Sentences that join after the first recorded step do not hide what was learned before."""

import numpy as np

from attn_monitor.signals.output_signals import ENTROPY, changes_since, output_signal


def joining(first, *, since=1, steps=4):
    """Train sentences of which ``first`` were there at step 0; the rest joined at step 1."""
    rng = np.random.default_rng(0)
    val, train = (rng.normal(0.8, 0.02, (steps, 24)) for _ in range(2))
    train[since:] -= 0.3
    train[0, first:] = np.nan
    return val, train


def signal(val, train):
    steps = range(len(val))
    return output_signal(ENTROPY, steps=steps, epochs=steps, val=val, train=train)


def test_changes_are_those_of_the_sentences_that_were_there_first():
    found = signal(*joining(8))
    assert found.fired == 2
    assert (found.n_val, found.n_train) == (24, 8)
    assert np.isfinite(found.p_values).all()


def test_too_few_at_first_are_not_compared_and_nothing_is_raised_for_their_sake():
    val, train = joining(6, since=9)
    assert changes_since(val, train) == 1
    found = signal(val, train)
    assert found.fired is None
    assert found.n_train == 24
    assert np.isnan(found.p_values[0])
