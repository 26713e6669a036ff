"""Curves of training and validation sentences: the numbers are those that open_run returns."""

from dataclasses import replace

import numpy as np
import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from attn_monitor.store import RunWriter, open_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five sentences of each split, three steps; the first sentence lost a metric at step 10."""
    root = tmp_path_factory.mktemp("curves")
    info = encoder_info(lengths=(4, 5, 6, 4, 5) * 2)
    steps = [record(info, step) for step in (0, 10, 20)]
    steps[1].metrics["encoder"][0, :, :, 0] = np.nan
    write_run(root / "a", info, steps)
    alone = replace(info, probes=info.probes[:5])
    write_run(root / "b", alone, [record(alone, 0)])
    return root


@pytest.fixture(scope="module")
def tab(folder):
    return Tab(folder)


def per_sentence(folder, split, at, heads=(slice(None), slice(None))):
    """A slow reading: one sentence after the other, [step, sentence]."""
    run = open_run(folder / "a")
    values = [
        run.metric_values(part="encoder", probe=probe.index)[:, *heads, at].reshape(3, -1)
        for probe in run.probes
        if probe.split == split
    ]
    return np.stack([rows.astype(np.float64).mean(axis=1) for rows in values], axis=1)


@pytest.mark.parametrize("split", ["val", "train"])
def test_curves_are_mean_and_quartiles_over_the_sentences_of_a_split(tab, folder, split):
    reply = tab.get("curves", run="a", part="encoder", metrics="prev,row_entropy").json
    assert reply["steps"] == [0, 10, 20]
    assert list(reply["metrics"]) == ["prev", "row_entropy"]
    for name, at in (("row_entropy", 0), ("prev", 1)):
        found = reply["metrics"][name][split]
        truth = per_sentence(folder, split, at)
        assert found["sentences"] == 5
        np.testing.assert_allclose(found["mean"], np.nanmean(truth, axis=1), rtol=1e-6)
        np.testing.assert_allclose(found["low"], np.nanquantile(truth, 0.25, axis=1), rtol=1e-6)
        np.testing.assert_allclose(found["high"], np.nanquantile(truth, 0.75, axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("query", "heads"),
    [({"layer": 1}, (slice(1, 2), slice(None))), ({"layer": 0, "head": 2}, (0, slice(2, 3)))],
)
def test_curves_of_a_layer_or_a_head_leave_the_others_out(tab, folder, query, heads):
    reply = tab.get("curves", run="a", part="encoder", metrics="support", **query).json
    assert (reply["layer"], reply["head"]) == (query["layer"], query.get("head"))
    truth = per_sentence(folder, "train", 2, heads).mean(axis=1)
    np.testing.assert_allclose(reply["metrics"]["support"]["train"]["mean"], truth, rtol=1e-6)


def test_without_training_sentences_there_is_no_training_curve(tab):
    metric = tab.get("curves", run="b", part="encoder", metrics="prev").json["metrics"]["prev"]
    assert metric["train"] is None
    assert metric["val"]["sentences"] == 5


def test_a_new_step_lengthens_the_curves(tmp_path):
    info = encoder_info()
    write_run(tmp_path / "a", info, [record(info, 0)])
    tab = Tab(tmp_path)
    ask = {"run": "a", "part": "encoder", "metrics": "prev"}
    assert tab.get("curves", **ask).json["steps"] == [0]
    with RunWriter(tmp_path / "a", info, resume_step=0) as writer:
        writer.write(record(info, 10))
    reply = tab.get("curves", **ask).json
    assert reply["steps"] == [0, 10]
    assert len(reply["metrics"]["prev"]["val"]["mean"]) == 2


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"metrics": ""}, 400, "parameter 'metrics' is missing"),
        ({"metrics": "prev,prev"}, 400, "parameter 'metrics' holds a name twice"),
        (
            {"metrics": ",".join(map(str, range(17)))},
            400,
            "parameter 'metrics' should hold at most 16 names, got 17",
        ),
        ({"metrics": "x"}, 404, "no metric 'x' in this run; it has"),
        ({"part": "cross"}, 404, "no part 'cross' in this run"),
        ({"layer": "2"}, 404, "no layer 2 in part 'encoder'; it has 2, from 0"),
        ({"layer": "0", "head": "3"}, 404, "no head 3 in this layer; it has 3, from 0"),
        ({"head": "3"}, 404, "head 3 of which layer? Give layer= too"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(tab, change, status, message):
    reply = tab.get("curves", **{"run": "a", "part": "encoder", "metrics": "prev", **change})
    assert reply.status_code == status
    assert message in reply.get_data(as_text=True)
