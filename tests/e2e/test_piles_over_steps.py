"""Piles of heads keep their letters while the slider moves, and the tab says how well."""

import re

import numpy as np
import pytest

from attn_monitor import open_run
from attn_monitor.analysis.piles import cut, match_groups, pile_distances, pile_tree
from attn_monitor.core.maps import Maps
from tests.e2e.hands import go_to, layer_controls, number, until_equal

LAYER = 1


@pytest.fixture(scope="module")
def recording(logdir):
    return open_run(logdir / "airline" / "version_0")


def tree_at(recording, step):
    sentences = [
        Maps(attn=recording.attention(step=step, probe=p.index, part="encoder", layer=LAYER))
        for p in recording.probes
        if p.split == "val"
    ]
    return pile_tree(pile_distances(sentences))


def drawn(tab):
    """The piles on screen: letter -> heads."""
    piles = tab.frame.locator(f'canvas.heat[data-layer="{LAYER}"][data-heads]')
    rows = piles.evaluate_all("all => all.map(c => [c.dataset.pile, c.dataset.heads])")
    return {letter: [int(head) for head in heads.split()] for letter, heads in rows}


def test_piles_keep_their_letters_and_the_title_prints_the_agreement(server, open_tab, recording):
    first, last = recording.steps[0], recording.steps[-1]
    trees = {step: tree_at(recording, step) for step in recording.steps}
    # Halfway up the last tree: some heads are together, some are not.
    distance = round(float(np.median(trees[last].merges[:, 2])), 2)
    fragment = (
        "#attn_monitor&p.attn_monitor.run=airline%2Fversion_0"
        f"&p.attn_monitor.layers={LAYER}:phv0.1d{distance}&p.attn_monitor.b={last}"
    )
    tab = open_tab(server, fragment=fragment).wait_until_drawn()
    before = cut(trees[last], height=distance)
    named = {}
    for step in (last, first, last):
        go_to(tab, recording, step)
        groups = cut(trees[step], height=distance)
        members = sorted(np.flatnonzero(groups == g).tolist() for g in np.unique(groups))
        until_equal(tab, lambda members=members: (sorted(drawn(tab).values()), members))
        agreement = match_groups(before, groups).agreement
        title = layer_controls(tab, LAYER).get_by_text(re.compile("like B"))
        until_equal(
            tab,
            lambda title=title, agreement=agreement: (
                number(title.text_content().partition("like B")[2]),
                pytest.approx(agreement, abs=0.006),
            ),
        )
        now = drawn(tab)
        # The best match of whole groups: as many heads keep their letter as in Python.
        if named:
            kept = sum(
                len(set(now.get(letter, ())) & set(heads)) for letter, heads in named.items()
            )
            assert kept / trees[step].heads == pytest.approx(match_groups(before, groups).kept)
        else:
            named = now
    assert drawn(tab) == named


def test_heads_that_cannot_be_compared_say_why(server, new_tab):
    where = f"p.attn_monitor.run=airline%2Fversion_0&p.attn_monitor.layers={LAYER}:ph"
    tab = new_tab(server, fragment=f"#attn_monitor&{where}").wait_until_drawn()
    tab.page.route("**/piles?*", lambda r: r.fulfill(status=404, body="gone"))
    tab.page.reload()
    panel = tab.frame.locator(".panel-wait")
    until_equal(tab, lambda: ("The server answered 404" in panel.inner_text(), True))
    tab.close()
