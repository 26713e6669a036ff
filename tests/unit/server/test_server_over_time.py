"""One head over all steps: piles of steps, and the plane its vectors stand on."""

from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from attn_monitor.analysis.piles.over_time import step_changes
from attn_monitor.core.maps import Maps
from attn_monitor.store import open_run

ASK = {"run": "a", "part": "encoder", "layer": 1, "head": 2, "probe": 1}


@pytest.fixture(scope="module")
def changed_dir(tmp_path_factory):
    """Six steps of a head that changes once, between the second and the third."""
    root = tmp_path_factory.mktemp("changed")
    info = encoder_info(lengths=(5, 6, 4), heads=3)
    steps = []
    for step in range(6):
        whole = record(info, step, seed=0 if step < 2 else 1, vectors=True)
        drift = record(info, step, vectors=True)
        steps.append(replace(whole, vectors=drift.vectors))
    write_run(root / "a", info, steps)
    return root


@pytest.fixture(scope="module")
def tab(changed_dir):
    return Tab(changed_dir)


def test_a_pile_ends_where_the_head_changed_and_shows_the_mean_of_its_steps(changed_dir, tab):
    reply = tab.get("over_time", **ASK).json
    assert [(pile["first"], pile["last"]) for pile in reply["piles"]] == [(0, 1), (2, 5)]
    run = open_run(changed_dir / "a")
    maps = [
        [Maps(attn=run.attention(step=s, probe=p, part="encoder", layer=1)[[2]]) for p in (0, 1)]
        for s in run.steps
    ]
    assert reply["sentences"] == 2  # the validation sentences; the third is a training one
    np.testing.assert_allclose(reply["changes"], step_changes(maps), atol=1e-6)
    for pile in reply["piles"]:
        codes = np.frombuffer(b64decode(pile["codes"]), np.uint8).reshape(reply["shape"])
        mean = np.mean([step[1].attn[0] for step in maps[pile["first"] : pile["last"] + 1]], axis=0)
        np.testing.assert_allclose((codes / 255) ** 2, mean, atol=0.005)


def test_the_cut_decides_how_many_piles_there_are(tab):
    assert len(tab.get("over_time", **ASK, cut=1000).json["piles"]) == 1


def test_long_sentences_are_sent_as_pictures_of_96_cells(tmp_path):
    info = encoder_info(lengths=(120,), heads=1, count=1)
    write_run(tmp_path / "a", info, [record(info, 0)])
    ask = {**ASK, "layer": 0, "head": 0, "probe": 0}
    assert Tab(tmp_path).get("over_time", **ask).json["shape"] == [96, 96]


def test_the_plane_is_the_same_at_every_step_and_the_points_are_not(changed_dir, tab):
    ask = {name: ASK[name] for name in ("run", "part", "layer", "head")}
    replies = [tab.get("joint", **ask, step=step).json for step in (0, 3)]
    for name in ("explained", "reach", "basis_steps"):
        assert replies[0][name] == replies[1][name]
    assert replies[0]["basis_steps"] == 6
    assert replies[0]["queries"]["x"] != replies[1]["queries"]["x"]
    vectors = open_run(changed_dir / "a").vectors(step=0, part="encoder", layer=1, head=2)
    assert replies[0]["keys"]["probe"] == vectors.key_probe.tolist()
    # A plane keeps or shortens distances, and the first two tokens are no exception.
    across = np.array([replies[0]["queries"][axis][:2] for axis in "xy"])
    apart = np.linalg.norm(vectors.query[0].astype(float) - vectors.query[1].astype(float))
    assert 0 < np.linalg.norm(across[:, 0] - across[:, 1]) <= apart + 1e-3


@pytest.mark.parametrize(
    ("path", "change", "status", "message"),
    [
        ("over_time", {"cut": "0"}, 400, "parameter 'cut' should be 1 to 1000, got 0"),
        ("over_time", {"head": "3"}, 404, "no head 3 in this layer; it has 3, from 0"),
        ("over_time", {"layer": "9"}, 404, "no layer 9 in part 'encoder'; it has 2, from 0"),
        ("over_time", {"probe": "9"}, 404, "no probe 9 in this run; it has 3"),
        ("joint", {"head": "3"}, 404, "no head 3 in part 'encoder'; it has 3, from 0"),
        ("joint", {"step": "77"}, 404, "step 77 is not recorded"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_reason(tab, path, change, status, message):
    reply = tab.get(path, **{**ASK, "step": "0", **change})
    assert reply.status_code == status
    assert message in reply.get_data(as_text=True)


def test_a_head_that_diverged_has_no_plane_and_says_so(tmp_path):
    info = encoder_info(lengths=(6, 5))
    step = record(info, 0, vectors=True)
    step.vectors["encoder"][0].query[0, 0, 0] = np.nan
    write_run(tmp_path / "a", info, [step])
    reply = Tab(tmp_path).get("joint", run="a", step=0, part="encoder", layer=0, head=0)
    assert reply.status_code == 404
    assert "the head diverged at one of these steps" in reply.get_data(as_text=True)
