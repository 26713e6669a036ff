"""Words and names that try to be code, in every view: they stay text, and nothing is asked for."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import serve
from tests.odd_recordings import HOSTILE, HOSTILE_WORDS, record_hostile_run

NAME = "<b>run</b> \u202e&amp; #1"
READY = "[data-layer][data-head], .chart, .graph-canvas"
VIEWS = {
    "links": {"layers": "0:shv0,1:shv0"},
    "maps": {"layers": "0:mhv0.1,1:mev0.1"},
    "piles": {"layers": "0:phv0.1d0,1:phv0.1d1"},
    "a held head": {"layers": "0:mhv0.1,1:mhv0.1", "head": "0.1.0"},
    "a pinned word": {"token": "k0"},
    "change": {"show": "diff", "b": "1"},
    "words": {"words": "merged", "special": "hidden"},
    "headlens": {"lens": "0.1~4r"},
    "heads": {"view": "heads"},
    "queries and keys": {"view": "heads", "panel": "joint"},
    "graph": {"view": "graph", "node": "0.0"},
    "signals": {"view": "signals"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    record_hostile_run(logs / NAME.replace("/", "|"))
    with serve(logs, "--load_fast=false") as url:
        yield url


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_words_stay_text_in(view, server, open_tab):
    dialogs = []
    pairs = "".join(f"&p.attn_monitor.{name}={value}" for name, value in VIEWS[view].items())
    tab = open_tab(server, fragment=f"#attn_monitor{pairs}")
    tab.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    tab.frame.locator(READY).first.wait_for()
    tab.page.wait_for_load_state("networkidle")
    expect(tab.frame.locator("img, b:has-text('run'), [onerror]")).to_have_count(0)
    expect(tab.frame.get_by_text(HOSTILE, exact=False).first).to_be_attached()
    assert tab.frame.locator(".root").inner_text().count("undefined") == 0
    assert dialogs == []


def test_a_very_long_word_and_an_empty_one_take_one_row_each(server, open_tab):
    tab = open_tab(server, fragment="#attn_monitor&p.attn_monitor.layers=0:shv0").wait_until_drawn()
    boxes = tab.frame.locator(".token-box").evaluate_all(
        "all => all.map(n => { const b = n.getBoundingClientRect(); return [b.width, b.height]; })"
    )
    assert len(boxes) >= 3 * len(HOSTILE_WORDS)
    assert {round(width) for width, _ in boxes} == {round(boxes[0][0])}
    assert {round(height) for _, height in boxes} == {round(boxes[0][1])}
