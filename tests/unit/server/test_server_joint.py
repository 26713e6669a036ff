"""A head's queries and keys on one plane: its own, and the same at every step."""

import numpy as np
import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from attn_monitor.analysis.lens.joint import joint_basis
from attn_monitor.store import open_run

STEPS = range(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("joint")
    info = encoder_info(lengths=(9, 8, 7), heads=2)
    write_run(root / "a", info, [record(info, step, vectors=True) for step in STEPS])
    return root


def ask(tab, *, step=0, layer=0, head=0):
    return tab.get("joint", run="a", step=step, part="encoder", layer=layer, head=head).json


def test_places_are_those_of_the_basis_of_all_steps(folder):
    run = open_run(folder / "a")
    every = [run.vectors(step=step, part="encoder", layer=1, head=1) for step in STEPS]
    basis = joint_basis(
        [vectors.query.astype(float) for vectors in every],
        [vectors.key.astype(float) for vectors in every],
    )
    found = ask(Tab(folder), step=2, layer=1, head=1)
    for side, places in (
        ("queries", basis.place_queries(every[2].query)),
        ("keys", basis.place_keys(every[2].key)),
    ):
        shown = np.stack([found[side]["x"], found[side]["y"]], axis=1)
        np.testing.assert_allclose(shown, places, atol=1e-3)


def test_each_head_has_a_plane_of_its_own(folder):
    one = Tab(folder)
    for other in ({}, {"head": 1}, {"layer": 1}):
        assert ask(one, **other) == ask(Tab(folder), **other)
