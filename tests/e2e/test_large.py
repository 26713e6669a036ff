"""A model of 24 layers with 16 heads on a text of 512 tokens, as a person looks at it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from large_recordings import record_large_run
from playwright.sync_api import expect

from attn_monitor import open_run
from tests.e2e.conftest import serve

LAYERS, HEADS, TOKENS = 24, 16, 512
DASH = "\N{EN DASH}"
OPENED = "#attn_monitor&p.attn_monitor.step=0"


@pytest.fixture(scope="module")
def large_logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    record_large_run(folder / "run", layers=LAYERS, heads=HEADS, tokens=TOKENS, steps=(0, 10))
    return folder


@pytest.fixture(scope="module")
def large_tab(large_logdir):
    with serve(large_logdir) as url:
        yield url


def mean_map(logdir, *, step, layer):
    run = open_run(logdir / "run")
    return run.attention(step=step, probe=0, part="encoder", layer=layer).mean(axis=0)


def link_weights(tab, layer):
    """The drawn links of a layer by the recorded places of their tokens."""
    links = tab.frame.locator(f".link[data-layer='{layer}']")
    rows = links.evaluate_all("all => all.map(l => ({...l.dataset}))")
    return {(int(row["query"]), int(row["key"])): float(row["weight"]) for row in rows}


def maps_asked_for(tab):
    return [url for url in tab.requests if "/attention?" in url]


def assert_each_word_has_its_strongest(links, mean, *, start, stop):
    window = mean[start:stop, start:stop]
    drawn = {}
    for (query, key), weight in links.items():
        assert weight == pytest.approx(mean[query, key], abs=2e-5)
        drawn.setdefault(query, []).append(weight)
    assert len(drawn) > 0.9 * len(window)
    for query, weights in drawn.items():
        strongest = np.sort(window[query - start])[::-1]
        assert min(weights) >= strongest[len(weights) - 1] - 2e-5


def test_a_long_text_opens_at_its_start_and_says_what_is_shown(large_tab, large_logdir, open_tab):
    tab = open_tab(large_tab, fragment=OPENED).wait_until_drawn()
    bar = tab.frame.locator(".window-bar")
    expect(bar).to_contain_text(f"tokens 1{DASH}64 of 512", use_inner_text=True)
    expect(bar).to_contain_text(f"layers 1{DASH}8 of 24", use_inner_text=True)
    assert re.search(r"strongest 600 of 16\s384 links, \d+ % of attention", bar.inner_text())
    expect(tab.frame.locator(".layer-head")).to_have_count(8)
    mean = mean_map(large_logdir, step=0, layer=0)
    links = link_weights(tab, 0)
    assert len(links) == 150
    assert_each_word_has_its_strongest(links, mean, start=0, stop=64)
    assert all("rows=0%3A64" in url and "keys=0%3A64" in url for url in maps_asked_for(tab))


def test_the_window_and_the_layers_move_and_the_link_brings_them_back(
    large_tab, large_logdir, open_tab
):
    tab = open_tab(large_tab, fragment=OPENED).wait_until_drawn()
    tab.frame.get_by_role("button", name="Later tokens").click()
    tab.frame.get_by_role("button", name="Later layers").click()
    tab.frame.locator(".link[data-layer='8']").first.wait_for()
    bar = tab.frame.locator(".window-bar").inner_text()
    assert f"tokens 65{DASH}128 of 512" in bar
    assert f"layers 9{DASH}16 of 24" in bar
    assert tab.frame.locator(".layer-name").first.inner_text().startswith("Layer 9")
    assert_each_word_has_its_strongest(
        link_weights(tab, 8), mean_map(large_logdir, step=0, layer=8), start=64, stop=128
    )
    tab.page.wait_for_url(re.compile("tokens=64~64"))
    address = tab.page.url
    assert "depth=8~8" in address
    other = open_tab(large_tab, fragment=address[address.index("#") :]).wait_until_drawn()
    expect(other.frame.locator(".window-bar")).to_contain_text(
        f"tokens 65{DASH}128 of 512", use_inner_text=True
    )


def test_a_step_changes_the_numbers_in_the_window_and_nothing_moves(
    large_tab, large_logdir, open_tab
):
    tab = open_tab(large_tab, fragment=OPENED).wait_until_drawn()
    places = "all => all.map(n => JSON.stringify(n.getBoundingClientRect())).join()"
    boxes = tab.frame.locator(".token-box, .layer-head, .window-bar")
    columns = tab.frame.locator(".layer-head").count() + 1
    all_words = expect(tab.frame.locator(".token-box"))
    all_words.to_have_count(columns * 64)  # those out of sight are drawn a moment later
    before = boxes.evaluate_all(places)
    tab.frame.locator(".step-slider").press("ArrowRight")
    tab.frame.locator("canvas[aria-label*='step 10']").first.wait_for()
    all_words.to_have_count(columns * 64)
    assert boxes.evaluate_all(places) == before
    assert_each_word_has_its_strongest(
        link_weights(tab, 0), mean_map(large_logdir, step=10, layer=0), start=0, stop=64
    )


def test_the_whole_text_fits_with_eight_tokens_to_a_mark(large_tab, large_logdir, open_tab):
    tab = open_tab(large_tab, fragment=OPENED).wait_until_drawn()
    tab.frame.get_by_label("Tokens shown at once").select_option("whole")
    tab.frame.locator(".window-bar", has_text="tokens all 512").wait_for()
    tab.frame.locator(".link[data-layer='0'][data-key='504']").first.wait_for(state="attached")
    mean = mean_map(large_logdir, step=0, layer=0)
    joined = mean.reshape(64, 8, 64, 8).sum(axis=3).mean(axis=1)
    for (query, key), weight in link_weights(tab, 0).items():
        assert weight == pytest.approx(joined[query // 8, key // 8], abs=0.005)


def test_every_layer_is_there_for_the_views_that_join_them(large_tab, open_tab):
    tab = open_tab(large_tab, fragment=f"{OPENED}&p.attn_monitor.view=graph")
    tab.frame.locator(".graph-canvas").wait_for()
    asked = [url for url in maps_asked_for(tab) if "rows=0%3A64" in url]
    assert any(f"%2C{LAYERS - 1}&" in url for url in asked)
