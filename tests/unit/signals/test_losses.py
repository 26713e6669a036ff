"""The smoothed minimum of the validation loss and the rise above it, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_monitor.signals.losses import best_step, read_losses, smoothed, turning_points


def test_neighbours_weigh_a_quarter_and_the_ends_make_up_for_the_missing_one():
    found = smoothed(np.array([4.0, 2.0, 0.0, 8.0]))
    np.testing.assert_allclose(found, [(2 + 0.5) / 0.75, 2.0, 2.5, (4 + 0) / 0.75])


def test_steps_without_a_loss_are_skipped_not_filled():
    found = smoothed(np.array([np.nan, 4.0, np.nan, 2.0]))
    assert np.isnan(found[[0, 2]]).all()
    np.testing.assert_allclose(found[[1, 3]], [(2 + 0.5) / 0.75, (1 + 1) / 0.75])


def losses(*values):
    steps = [10 * at for at in range(len(values))]
    scalars = [{} if v is None else {"val_loss": v, "train_loss": v / 2} for v in values]
    return read_losses(steps, list(range(len(values))), scalars)


def test_a_rise_is_dated_from_where_it_stays_above_three_percent():
    found = losses(None, 3.0, 2.0, 1.0, 1.0, 1.0, 2.0, 3.0)
    assert found.best_step == 30  # the first of three equal ones
    assert found.rise_step == 50
    assert found.sentence == (
        "Validation loss was lowest at epoch 3 (1). Since epoch 5 the smoothed loss has stayed "
        "more than 3 % above its minimum; now 167%."
    )


def test_a_loss_that_keeps_falling_has_no_rise():
    found = losses(3.0, 2.0, 1.0, 0.5)
    assert (found.best_step, found.rise_step) == (30, None)
    assert found.sentence.endswith("Smoothed, it has not stayed more than 3 % above its minimum.")


def test_a_rise_that_is_undone_does_not_count():
    assert losses(1.0, 0.5, 0.5, 2.0, 2.0, 0.5, 0.5, 0.5).rise_step is None


def test_without_losses_nothing_is_dated():
    found = losses(None, None)
    assert (found.val_name, found.best_step, found.rise_step) == (None, None, None)
    assert found.sentence == "No validation loss was logged: nothing can be dated by it."


def test_a_rise_needs_three_losses_the_lowest_needs_one():
    found = losses(2.0, 1.0)
    assert (found.best_step, found.rise_step) == (10, None)
    assert found.sentence.endswith("Fewer than 3 were logged: a rise cannot be dated.")


@pytest.mark.parametrize("name", ["val_loss", "valid_loss", "eval_loss", "validation/my_loss"])
def test_the_best_step_is_that_of_the_lowest_loss_whatever_its_name(name):
    logged = [{name: 3.0}, {name: float("nan")}, {name: 1.0}, {name: 2.0}, {}]
    assert best_step([0, 5, 10, 15, 20], logged) == (10, name)
    assert best_step([0], [{"accuracy": 1.0}]) == (None, None)


@pytest.mark.parametrize(("mode", "best"), [("max", 20), ("min", 10)])
def test_the_best_step_is_that_of_what_the_training_watches(mode, best):
    logged = [
        {},
        {"val_loss": 1.0, "val_f1": float("nan")},
        {"val_loss": 2.0, "val_f1": 0.1},
        {"val_loss": 3.0, "val_f1": 0.5},
        {"val_loss": 4.0, "val_f1": 0.9},
    ]
    watched = {"watched_metric": "val_f1", "watched_mode": mode}
    assert best_step([0, 5, 10, 15, 20], logged, watched) == (best, "val_f1")
    not_logged = watched | {"watched_metric": "val_bleu"}
    assert best_step([0, 5, 10, 15, 20], logged, not_logged) == (5, "val_loss")


@pytest.mark.parametrize(
    ("logged", "val", "train"),
    [
        (("val_loss", "train_loss_epoch", "train_loss_step"), "val_loss", "train_loss_epoch"),
        (("valid/loss", "train/loss"), "valid/loss", "train/loss"),
        (("my_val_nll_loss", "loss"), "my_val_nll_loss", "loss"),
        (("accuracy",), None, None),
    ],
)
def test_the_losses_are_found_among_what_was_logged(logged, val, train):
    found = read_losses([0], [0], [dict.fromkeys(logged, 1.0)])
    assert (found.val_name, found.train_name) == (val, train)


@given(st.lists(st.floats(0.01, 10), min_size=3, max_size=30))
def test_from_the_rise_on_every_loss_is_above_and_the_step_before_is_not(values):
    smooth = smoothed(np.array(values))
    best, rise = turning_points(smooth)
    assert smooth[best] == smooth.min()
    if rise is None:
        assert best == len(values) - 1 or smooth[-1] <= smooth[best] * 1.03
    else:
        assert rise > best
        assert (smooth[rise:] > smooth[best] * 1.03).all()
        assert rise == best + 1 or smooth[rise - 1] <= smooth[best] * 1.03 + 1e-12
