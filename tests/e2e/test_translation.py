"""An encoder-decoder model in the tab: three parts, two vocabularies, and HeadLens between them."""

import re

import lightning as L
import numpy as np
import pytest
from playwright.sync_api import expect

from attn_monitor import AttentionMonitor, open_run
from tests.e2e.conftest import serve
from tests.e2e.hands import choose_view, go_to, layer_controls, until_equal
from tests.tiny_lightning import trainer
from tests.tiny_translation import ENGLISH, FRENCH, Translator, loaders, words

CROSS = re.compile("^Enc.dec$")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translation") / "logs"
    L.seed_everything(3, verbose=False)
    monitor = AttentionMonitor(
        tokens=words, probes=4, train_probes=2, lens_sentences=16, signal_sentences=0
    )
    trainer(folder, monitor, epochs=3).fit(Translator(), *loaders())
    assert monitor.failures.count == 0
    return folder


@pytest.fixture(scope="module")
def recording(logs):
    return open_run(logs / "lightning_logs" / "version_0")


@pytest.fixture(scope="module")
def server(logs):
    with serve(logs, "--load_fast=false") as url:
        yield url


@pytest.fixture
def tab(server, open_tab):
    return open_tab(server, fragment="#attn_monitor&p.attn_monitor.probe=0").wait_until_drawn()


def choose_part(tab, name):
    tab.frame.get_by_role("region", name="Attention").get_by_role("button", name=name).click()


def drawn_words(tab):
    return set(tab.frame.locator("text.token").all_text_contents())


def test_the_three_parts_show_their_own_words_on_their_own_axes(tab, recording):
    probe = recording.probes[0]
    source, target = set(probe.source.text), set(probe.target.text)
    for name, expected in (("Encoder", source), ("Decoder", target), (CROSS, source | target)):
        choose_part(tab, name)
        until_equal(tab, lambda expected=expected: (drawn_words(tab), expected))
    for layer, mode in ((0, "Maps"), (1, "Piles")):
        layer_controls(tab, layer).get_by_role("button", name=mode).click()
    maps = recording.attention(step=recording.steps[-1], probe=0, part="cross", layer=0)
    # Both columns stand where they stay before the mouse goes there.
    tab.frame.locator('canvas.heat[data-layer="1"][data-heads]').first.wait_for()
    canvas = tab.frame.locator('canvas.heat[data-layer="0"][data-head="1"]')
    canvas.hover(position={"x": 2, "y": 2})
    popup = tab.frame.get_by_role("dialog", name=re.compile("Layer 1.*head 2"))
    popup.wait_for()
    expect(popup).to_contain_text(f"{maps[1, 0, 0]:.4f}", use_inner_text=True)
    for word in (*source, *target):
        expect(popup).to_contain_text(word, use_inner_text=True)
    # Piles of cross-attention at both ends of the slider: every head alone, then one pile.
    slider = tab.frame.get_by_label("Pile distance of layer 2")
    for distance, piles in (("0", 2), ("0.6", 1)):
        slider.fill(distance)
        count = tab.frame.locator('canvas.heat[data-layer="1"][data-heads]')
        until_equal(tab, lambda piles=piles, count=count: (count.count(), piles))


def test_headlens_of_a_cross_head_has_french_queries_and_english_keys(tab, recording):
    choose_part(tab, CROSS)
    layer_controls(tab, 1).get_by_role("button", name="Maps").click()
    tab.frame.locator('canvas.heat[data-layer="1"][data-head="0"]').click()
    tab.frame.get_by_role("dialog").get_by_role("button", name=re.compile("HeadLens")).click()
    lens = tab.frame.get_by_role("region", name=re.compile("HeadLens of Layer 2 · head 1"))
    lens.locator(".lens-words").first.wait_for()
    vectors = recording.vectors(step=recording.steps[-1], part="cross", layer=1, head=0)
    expect(lens).to_contain_text(
        f"{len(vectors.query)} queries, {len(vectors.key)} keys", use_inner_text=True
    )
    lens.get_by_role("button", name="Cloud").click()
    french, english = {*FRENCH.values(), "[BOS]".lower(), "[BOS]"}, set(ENGLISH)
    for row in range(3):
        lens.locator(f'.lens-cell[data-query="{row}"][data-key="{row}"]').click()
        for name, vocabulary in (("Query", french), ("Key", english), ("Value", english)):
            box = lens.get_by_role("group", name=re.compile(f"^{name} cluster"))
            cloud = box.locator("text.lens-cloud").all()
            found = {word.evaluate("t => t.firstChild.data") for word in cloud}
            assert found, name
            assert found <= vocabulary


def test_the_lens_keeps_cell_and_colours_when_the_slider_moves(tab, recording):
    choose_part(tab, CROSS)
    layer_controls(tab, 0).get_by_role("button", name="Maps").click()
    tab.frame.locator('canvas.heat[data-layer="0"][data-head="0"]').click()
    tab.frame.get_by_role("dialog").get_by_role("button", name=re.compile("HeadLens")).click()
    lens = tab.frame.locator(".lens")
    lens.locator(".lens-cell").first.wait_for()
    lens.locator('.lens-cell[data-query="1"][data-key="2"]').click()

    def titles():
        return lens.locator(".lens-words .lens-title").all_text_contents()[:2]

    def scale():
        return lens.get_by_text(re.compile("inner product, ±")).text_content()

    lens.locator(".lens-picture").press("ArrowDown")
    until_equal(tab, lambda: (titles(), ["Query cluster 3", "Key cluster 3"]))
    lens.locator(".lens-picture").press("ArrowUp")
    wanted = (["Query cluster 2", "Key cluster 3"], scale())
    for step in (recording.steps[0], recording.steps[-1]):
        go_to(tab, recording, step)
        until_equal(tab, lambda: ((titles(), scale()), wanted))
    assert re.search(r"kept their cluster: query \d+ %", lens.inner_text())


def test_the_alignment_of_a_cross_head_is_followed_over_epochs(tab, recording):
    choose_part(tab, CROSS)
    choose_view(tab, "Heads")
    tab.frame.get_by_label("Metric", exact=True).select_option(label="Diagonal share")
    place = [spec.name for spec in recording.metrics].index("diagonal")
    values = recording.metric_values(part="cross", probe=0)[..., place]
    for at, step in enumerate(recording.steps):
        go_to(tab, recording, step)
        for layer, head in np.ndindex(2, 2):
            cell = tab.frame.locator(f'.cell[data-layer="{layer}"][data-head="{head}"]')
            expected = pytest.approx(float(values[at, layer, head]), abs=1e-6)

            def drawn_and_recorded(cell=cell, expected=expected):
                return float(cell.get_attribute("data-value")), expected

            until_equal(tab, drawn_and_recorded)


def test_hidden_special_tokens_leave_their_share_on_screen(tab, recording):
    choose_part(tab, "Decoder")
    tab.frame.get_by_label(re.compile(r"Hide \[BOS\]")).check()
    target = recording.probes[0].target
    maps = np.stack(
        [
            recording.attention(step=recording.steps[-1], probe=0, part="decoder", layer=layer)
            for layer in range(2)
        ]
    )
    words_only = [at for at in range(len(target)) if at not in target.special]
    share = maps[:, :, words_only][..., list(target.special)].sum(-1).mean()
    tab.frame.get_by_text(f"{round(100 * share)} %", exact=False).first.wait_for()
    assert "[BOS]" not in drawn_words(tab)
