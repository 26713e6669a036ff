"""One head over all steps, in the Heads view: its piles, its queries and keys."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attn_monitor import open_run
from attn_monitor.analysis.lens.joint import joint_basis
from attn_monitor.analysis.piles.over_time import step_changes, step_piles
from attn_monitor.core.maps import Maps
from tests.e2e.hands import choose_run, choose_view, go_to, shown_step, until_equal

LAYER, HEAD = 2, 5


@pytest.fixture(scope="module")
def recording(logdir):
    return open_run(logdir / "airline" / "version_0")


@pytest.fixture
def tab(server, open_tab):
    tab = open_tab(server).wait_until_drawn()
    choose_run(tab, "airline/version_0 ")
    choose_view(tab, "Heads")
    tab.frame.locator(f'.cell[data-layer="{LAYER}"][data-head="{HEAD}"]').click()
    return tab


def drawn_piles(tab):
    return tab.frame.locator("button.step-pile").evaluate_all(
        "all => all.map(b => [+b.dataset.first, +b.dataset.last])"
    )


def test_the_steps_of_a_head_are_piled_where_it_did_not_change(tab, recording):
    sentences = [p.index for p in recording.probes if p.split == "val"][:8]
    maps = [
        [
            Maps(
                attn=recording.attention(step=step, probe=probe, part="encoder", layer=LAYER)[
                    [HEAD]
                ]
            )
            for probe in sentences
        ]
        for step in recording.steps
    ]
    slider = tab.frame.get_by_label("Change from which on a step starts a pile")
    for cut in (0.03, 0.55):
        slider.fill(str(cut))
        wanted = [[pile.first, pile.last] for pile in step_piles(maps, cut=cut)]
        until_equal(tab, lambda wanted=wanted: (drawn_piles(tab), wanted))
    bars = tab.frame.locator(".change-bar").evaluate_all("all => all.map(b => +b.dataset.change)")
    np.testing.assert_allclose(bars, step_changes(maps), atol=1e-6)


def test_a_click_on_a_pile_goes_to_its_first_step_and_the_pile_of_a_is_marked(tab, recording):
    tab.frame.get_by_label("Change from which on a step starts a pile").fill("0.01")
    tab.frame.locator("button.step-pile").first.click()
    assert shown_step(tab) == recording.steps[0]
    held = tab.frame.locator('button.step-pile[aria-pressed="true"]')
    until_equal(tab, lambda: (held.get_attribute("data-first"), "0"))


def test_points_move_with_the_step_and_axes_do_not(tab, recording):
    steps = recording.steps
    tab.frame.get_by_role("button", name=re.compile("key map")).click()
    vectors = {
        step: recording.vectors(step=step, part="encoder", layer=LAYER, head=HEAD) for step in steps
    }
    basis = joint_basis(
        [v.query.astype(float) for v in vectors.values()],
        [v.key.astype(float) for v in vectors.values()],
    )
    frame = tab.frame.locator(".joint-frame")
    frame.wait_for()
    name = f"Layer {LAYER + 1} \N{MIDDLE DOT} head {HEAD + 1}"
    expect(tab.frame.locator(".joint-title")).to_contain_text(name)
    box = {name: float(frame.get_attribute(name)) for name in ("x", "y", "width")}
    scale = box["width"] / (2 * 1.03 * basis.reach)

    def drawn(kind):
        return tab.frame.locator(f".joint-{kind} circle").evaluate_all(
            "all => all.map(c => [+c.getAttribute('cx'), +c.getAttribute('cy')])"
        )

    for step in (steps[0], steps[-1]):
        go_to(tab, recording, step)
        for kind, places in (
            ("queries", basis.place_queries(vectors[step].query)),
            ("keys", basis.place_keys(vectors[step].key)),
        ):
            middle = np.array([box["x"], box["y"]]) + box["width"] / 2
            wanted = middle + places * np.array([scale, -scale])

            def placed(kind=kind, wanted=wanted):
                seen = np.array(drawn(kind))
                return bool(seen.shape == wanted.shape and np.abs(seen - wanted).max() < 0.2), True

            until_equal(tab, placed)
        now = {name: float(frame.get_attribute(name)) for name in ("x", "y", "width")}
        assert now == box


def test_points_are_coloured_by_kind_or_by_part_of_speech(tab):
    tab.frame.get_by_role("button", name=re.compile("key map")).click()
    first = tab.frame.locator(".joint-queries circle").first
    first.wait_for()
    by_kind = first.evaluate("c => c.style.fill")
    tab.frame.get_by_role("button", name="Part of speech").click()
    until_equal(tab, lambda: (first.evaluate("c => c.style.fill") != by_kind, True))
    expect(tab.frame.get_by_text("NOUN", exact=False).first).to_be_attached()
