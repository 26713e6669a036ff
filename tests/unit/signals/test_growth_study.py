"""The study of docs/growth.md: what it calls a divergence, an alarm, and a rule that was chosen."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from attn_monitor.core.remarks import NUMBERS
from attn_monitor.signals.growth import RULE

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
STEPS = list(range(0, 600, 5))


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(EXAMPLES))  # what it takes from its neighbour
    try:
        spec = importlib.util.spec_from_file_location("growth_study", EXAMPLES / "growth_study.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLES))
    return module


def made(number, *, leaves=None, grows=None):
    """Return a run whose loss leaves its band at a step, and whose scores grow from another."""
    losses = [3 * math.exp(-step / 50) + 1 for step in range(600)]
    if leaves is not None:
        losses[leaves:] = [9.0] * (600 - leaves)
    scores = np.full((len(STEPS), 1, 1), 8.0)
    if grows is not None:
        scores[:, 0, 0] = [8 * math.exp(max(0, step - grows) / 30) for step in STEPS]
    # A little noise: a line without any has an interval of no width.
    scores *= 1 + 0.001 * np.random.default_rng(number).standard_normal(scores.shape)
    heads = np.stack([scores, *[np.ones_like(scores)] * (len(NUMBERS) - 1)], axis=1)
    return {"number": number, "losses": losses, "steps": STEPS, "heads": heads.tolist()}


def test_a_run_diverges_where_its_smoothed_loss_leaves_its_band_for_good(study):
    assert study.divergence(made(0)["losses"]) is None
    assert study.divergence(made(0, leaves=300)["losses"]) in {300, 301}  # 0.1 x 8 is above 0.6
    for_a_while = made(0)["losses"]
    for_a_while[300:303] = [9.0] * 3  # back in its band before twenty steps are over
    assert study.divergence(for_a_while) is None
    assert study.divergence([*for_a_while[:100], None]) == 100  # not finite


def test_an_alarm_comes_when_the_line_of_the_last_readings_passes_the_limit_soon(study):
    assert study.alarm(made(0), RULE) is None
    step, (early, late, real) = study.alarm(made(0, grows=200), RULE)
    assert 200 < step < real
    assert real == pytest.approx(200 + 30 * math.log(100 / 8), abs=6)  # the next reading
    assert early <= late
    assert study.level(made(0, grows=200)) == pytest.approx(200 + 30 * math.log(50 / 8), abs=6)
    assert study.level(made(0)) is None


def test_shares_have_the_intervals_that_wilson_gives_them(study):
    # Newcombe 1998, table I: 81 of 263, and 0 of 20, without continuity correction.
    assert study.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert study.wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    assert all(math.isnan(x) for x in study.wilson(0, 0))


def test_the_rule_is_chosen_on_even_runs_and_judged_on_odd_ones(study):
    runs = [
        made(0, leaves=400, grows=200),
        made(1, leaves=400, grows=200),
        made(2),
        made(3),
        made(5, grows=200),  # told though its loss stays
        made(7, leaves=400),  # not told
        made(9, leaves=210, grows=200),  # told too late
    ]
    found = study.judge(runs)
    assert found["development"][0] == 1
    growth = found["growth"]
    counted = {key: growth[key] for key in ("diverging", "warned", "late", "healthy", "false")}
    assert counted == {"diverging": 3, "warned": 1, "late": 1, "healthy": 2, "false": 1}
    assert growth["warned_interval"] == study.wilson(1, 3)
    assert growth["lead"][0] == growth["lead"][1] == growth["lead"][2] > 100
    assert found["forecast"][1] == 3  # alarms


def test_its_trainings_give_what_it_judges(study, monkeypatch):
    monkeypatch.setattr(study, "STEPS", 21)
    corpus = study.text(200)
    run, again = (json.loads(json.dumps(study.train(2, corpus))) for _ in range(2))
    assert run == again
    assert 1e-1 <= run["rate"] <= 5e-1  # of those that are to diverge
    assert run["steps"] == [0, 5, 10, 15, 20]
    assert np.shape(run["heads"]) == (5, len(NUMBERS), 2, 4)
    assert np.isfinite(run["heads"]).all()
    assert len(run["losses"]) == 21
    assert torch.isfinite(torch.tensor(run["losses"])).all()
