"""A long walk: the links of every step of every recording, deep and long ones among them."""

from __future__ import annotations

import itertools

import pytest
from large_recordings import record_large_run
from view_recordings import MODELS, record_all

from tests.e2e.conftest import serve
from tests.e2e.view_hands import FEWEST, MOST, layers_of, lengths_of, links, show

DEEP = 24


def windows_of(run):
    """The layers to look at, in stretches that are shown at once."""
    if run in MODELS:
        return [({}, range(layers_of(run)))]
    return [({"depth": f"{at}~8"}, range(at, at + 8)) for at in range(0, DEEP, 8)]


def drawn_layer(tab, layer, step):
    """The links of a layer of the network as it is at a step."""
    written = f"{step:,}".replace(",", "\u202f")
    start, end = f"Links of layer {layer + 1},", f"step {written}"
    return tab.frame.locator(f"g.links[aria-label^='{start}'][aria-label$='{end}']")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_step_of_every_recording_opens_with_links_a_person_can_follow(
    tmp_path_factory, new_tab
):
    folder = tmp_path_factory.mktemp("all")
    record_all(folder)
    record_large_run(folder / "long", layers=DEEP, heads=16, tokens=512, steps=(0, 10, 20))
    seen = 0
    with serve(folder) as url:
        tab = new_tab(url).wait_until_drawn()
        for run in (*MODELS, "long"):
            steps = MODELS[run].steps if run in MODELS else (0, 10, 20)
            parts = [part.name for part in MODELS[run].parts] if run in MODELS else ["encoder"]
            for part, step, probe, (depth, layers) in itertools.product(
                parts, steps, lengths_of(run), windows_of(run)
            ):
                show(tab, run, part=part, step=step, probe=probe, **depth)
                for layer in layers:  # those out of sight are drawn a moment later
                    drawn_layer(tab, layer, step).wait_for(state="attached")
                drawn = links(tab)
                notes = tab.frame.locator(".link-note").all_inner_texts()
                for layer, note in zip(layers, notes, strict=True):
                    count = sum(link[0] == layer for link in drawn)
                    where = (run, part, probe, step, layer, count)
                    if "NaN" in note:
                        assert run in ("nan", "overflow"), where
                        assert count == 0 or FEWEST <= count <= MOST, where
                    else:
                        assert FEWEST <= count <= MOST, where
                    seen += 1
        tab.close()
    assert seen > 900
