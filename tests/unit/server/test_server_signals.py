"""What a run shows about memorisation travels as the analysis said it."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from markers import write_run
from recordings import METRICS, encoder_info, record
from wsgi_tab import Tab

from attn_monitor.signals import Signal, assess
from attn_monitor.store import RunWriter, open_run

ENTROPY = replace(METRICS[0], name="output_entropy")


@pytest.fixture(scope="module")
def info():
    return replace(encoder_info(lengths=(5,) * 16), outputs=(ENTROPY,))


def step(info, at):
    """Both sets start alike; training sentences then become ever more certain."""
    entropy = np.full((16, 1), 0.9) + np.linspace(0, 0.01, 16)[::-1, None]
    entropy[8:] -= 0.1 * at
    scalars = {"val_loss": 1.0 + abs(at - 2), "train_loss": 1.0 / (1 + at)}
    return replace(record(info, 10 * at, epoch=at, scalars=scalars), outputs=entropy)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, info):
    root = tmp_path_factory.mktemp("signals")
    write_run(root / "a", info, [step(info, at) for at in range(6)])
    alone = replace(encoder_info(lengths=(5,) * 6), probes=info.probes[:6])
    write_run(root / "alone", alone, [record(alone, 0)])
    return root


@pytest.fixture(scope="module")
def reply(folder):
    return Tab(folder).get("signals", run="a").json


def test_verdict_losses_and_curves_are_the_analysiss_own(reply, folder):
    found = assess(open_run(folder / "a"))
    assert (reply["state"], reply["headline"]) == (found.state, found.headline) != ("quiet", "")
    assert reply["steps"] == found.steps.tolist() == [0, 10, 20, 30, 40, 50]
    np.testing.assert_allclose(reply["losses"]["smooth"], found.losses.smooth)
    assert reply["losses"]["best_step"] == found.losses.best_step == 20
    assert [signal["name"] for signal in reply["signals"]] == [s.name for s in found.signals]
    for sent, truth in zip(reply["signals"], found.signals, strict=True):
        assert set(sent) == {field.name for field in fields(Signal)}
        assert (sent["fired"], sent["sentence"]) == (truth.fired, truth.sentence)
        for curve, original in zip(sent["curves"], truth.curves, strict=True):
            values = [np.nan if value is None else value for value in curve["values"]]
            np.testing.assert_allclose(values, original.values)


def test_a_planted_difference_between_the_sets_fires(reply):
    flag = reply["signals"][0]
    assert (reply["state"], flag["kind"], flag["fired"]) == ("fired", "flag", 20)
    assert (flag["n_val"], flag["n_train"]) == (8, 8)


def test_without_training_probes_it_says_so(folder):
    reply = Tab(folder).get("signals", run="alone").json
    assert reply["state"] == "no_train_probes"
    assert "no flag" in reply["headline"]


def test_the_verdict_follows_the_recording(tmp_path, info):
    write_run(tmp_path / "a", info, [step(info, 0)])
    tab = Tab(tmp_path)
    assert tab.get("signals", run="a").json["state"] == "quiet"
    with RunWriter(tmp_path / "a", info, resume_step=0) as writer:
        for at in range(1, 4):
            writer.write(step(info, at))
    assert tab.get("signals", run="a").json["state"] == "fired"


def test_values_that_do_not_exist_are_null_and_heads_are_left_out(folder):
    text = Tab(folder).get("signals", run="a").get_data(as_text=True)
    assert "NaN" not in text
    assert all(signal["heads"] == [] for signal in json.loads(text)["signals"])
