"""Lenses that are remembered are those that were asked for, and few are made for one answer."""

from dataclasses import replace

import numpy as np
import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from tb_plugin.server import lens


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten steps with the vectors of five sentences; the last one has none from step 6 on."""
    root = tmp_path_factory.mktemp("lenses")
    info = encoder_info(lengths=(9, 8, 7, 12, 10), heads=2)
    steps = [record(info, step, vectors=True) for step in range(10)]
    for at in range(6, 10):
        every = dict(steps[at].vectors["encoder"])
        del every[4]
        steps[at] = replace(steps[at], vectors={"encoder": every})
    write_run(root / "a", info, steps)
    return root


def ask(tab, *, step=0, layer=0, head=0, k=4):
    return tab.get("lens", run="a", step=step, part="encoder", layer=layer, head=head, k=k).json


def test_each_head_and_number_of_clusters_has_a_lens_of_its_own(folder):
    one = Tab(folder)
    for other in ({}, {"head": 1}, {"layer": 1}, {"k": 3}):
        assert ask(one, **other) == ask(Tab(folder), **other)


def test_a_jump_makes_a_lens_per_bit_of_the_place_it_goes_to(folder, monkeypatch):
    made = []
    real = lens.head_lens
    monkeypatch.setattr(lens, "head_lens", lambda *a, **kw: made.append(1) or real(*a, **kw))
    tab = Tab(folder)
    ask(tab, step=5)
    assert len(made) == 3  # places 5 (101), 4 (100) and 0
    ask(tab, step=4)
    assert len(made) == 3


def test_numbers_are_kept_only_among_the_same_tokens(folder):
    tab = Tab(folder)
    whole, fewer = ask(tab, step=5), ask(tab, step=6)
    assert (len(whole["queries"]["labels"]), len(fewer["queries"]["labels"])) == (46, 36)
    assert whole["queries"]["kept"]
    assert not fewer["queries"]["kept"]


def test_where_no_step_that_stands_for_training_has_numbers_the_step_itself_gives_the_scale(
    tmp_path,
):
    info = encoder_info(lengths=(9, 8), heads=2)
    steps = [record(info, step, vectors=True) for step in range(6)]
    for step in (0, 2, 3, 4, 5):  # the scale is looked for at four of these
        for at, found in steps[step].vectors["encoder"].items():
            gone = replace(found, query=np.full_like(found.query, np.nan))
            steps[step].vectors["encoder"][at] = gone
    write_run(tmp_path / "a", info, steps)
    shown = ask(Tab(tmp_path), step=1)
    largest = max(abs(value) for row in shown["products"] for value in row)
    assert largest <= shown["limits"]["products"] <= 1.2 * largest
