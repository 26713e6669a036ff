"""Two steps, two runs, one choice in every view: what a person reads there, against `open_run`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import lightning as L
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from attn_monitor import AttentionMonitor, open_run
from tests.e2e.conftest import serve
from tests.e2e.hands import (
    choose_run,
    choose_view,
    go_to,
    layer_controls,
    number,
    shown_step,
    slider,
    until_equal,
)
from tests.tiny_lightning import WORDS, Tiny, loaders, trainer

HEADS = ((0, 0), (0, 1), (1, 0), (1, 1))
PRINTED = 6e-5  # weights are printed with four digits
CHANGE = "A \u2212 B"
LINKS, MAPS = 0, 1  # the layer that is shown as links, and the one shown as maps


def pieces(ids):
    """Every third word continues the one before it, as WordPiece writes it."""
    return [WORDS[i] if i % 3 else f"##ing{i}" for i in ids]


pieces.pad_id = 0


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Two trainings from different weights, with the same probe sentences."""
    folder = tmp_path_factory.mktemp("comparison") / "logs"
    for seed in (3, 4):
        L.seed_everything(seed, verbose=False)
        monitor = AttentionMonitor(tokens=pieces, probes=6, train_probes=0, lens_sentences=16)
        trainer(folder, monitor, epochs=3).fit(Tiny(), *loaders())
        assert monitor.failures.count == 0
    return folder


@dataclass
class Recorded:
    """One probe sentence of both runs, as `open_run` gives it."""

    logs: object
    probe: int

    def run(self, version=0):
        return open_run(self.logs / "lightning_logs" / f"version_{version}")

    @property
    def steps(self):
        return self.run().steps

    @property
    def words(self):
        return list(self.run().probes[self.probe].source.text)

    def maps(self, step, layer, version=0):
        run = self.run(version)
        return run.attention(step=step, probe=self.probe, part="encoder", layer=layer)

    def mean(self, step, layer):
        return self.maps(step, layer).astype(np.float64).mean(0).astype(np.float32)


@pytest.fixture(scope="module")
def recorded(logs):
    """The longest sentence that has a word of several pieces."""
    texts = [p.source.text for p in open_run(logs / "lightning_logs" / "version_0").probes]
    split = [at for at, text in enumerate(texts) if any(w.startswith("##") for w in text[2:])]
    return Recorded(logs, max(split, key=lambda at: len(texts[at])))


@pytest.fixture(scope="module")
def server(logs):
    with serve(logs, "--load_fast=false") as url:
        yield url


@pytest.fixture
def tab(server, open_tab, recorded):
    tab = open_tab(server).wait_until_drawn()
    choose_run(tab, "version_0")
    probes = tab.frame.get_by_role("region", name="Probe sentences").get_by_role("button")
    probes.nth(recorded.probe).click()
    layer_controls(tab, LINKS).get_by_role("button", name="Sankey").click()
    layer_controls(tab, MAPS).get_by_role("button", name="Maps").click()
    return tab


def compare_first_and_last(tab, recorded):
    """B is the first step, A the last one."""
    go_to(tab, recorded, recorded.steps[0])
    tab.frame.get_by_role("button", name="Pin B here").click()
    go_to(tab, recorded, recorded.steps[-1])


def show(tab, what):
    tab.frame.get_by_role("group", name="Compare").get_by_role(
        "button", name=what, exact=True
    ).click()


def read_map(tab, canvas, reading, shape):
    """Move the mouse over every cell of a map and read the value that is printed."""
    canvas.hover()
    box = canvas.bounding_box()
    values = np.empty(shape)
    for q, k in np.ndindex(shape):
        x = box["x"] + box["width"] * (k + 0.5) / shape[1]
        y = box["y"] + box["height"] * (q + 0.5) / shape[0]
        tab.page.mouse.move(x, y)
        values[q, k] = number(reading.text_content().rpartition("”")[2])
    return values


def until_map_reads(tab, head, expected):
    canvas = tab.frame.locator(f'canvas.heat[data-layer="{MAPS}"][data-head="{head}"]')
    reading = tab.frame.locator(".popup-reading")

    def seen():
        drawn = read_map(tab, canvas, reading, expected.shape)
        return drawn.tolist(), [pytest.approx(row, abs=PRINTED) for row in expected]

    until_equal(tab, seen)


def link_note(tab):
    return tab.frame.locator(".link-note").first.text_content()


def links(tab, kind=""):
    """The drawn links of a kind, as (query, key)."""
    group = tab.frame.get_by_role("group", name=f"Links of layer {LINKS + 1}")
    rows = group.locator(f"path{kind}").evaluate_all(
        "all => all.map(p => [+p.dataset.query, +p.dataset.key])"
    )
    return {tuple(row) for row in rows}


def set_cut(tab, rule, amount):
    tab.frame.get_by_label(f"Link rule of layer {LINKS + 1}").select_option(rule)
    tab.frame.get_by_label(f"Link threshold of layer {LINKS + 1}").fill(str(amount))


def cells(mask):
    return {(int(q), int(k)) for q, k in np.argwhere(mask)}


def strongest_links(mean, count):
    """Among equal ones (the same word twice) the first in reading order."""
    order = np.argsort(-mean.ravel(), kind="stable")[:count]
    return {divmod(int(at), mean.shape[1]) for at in order}


def test_a_cell_of_a_minus_b_is_the_difference_of_the_two_recorded_maps(tab, recorded):
    compare_first_and_last(tab, recorded)
    first, last = recorded.steps[0], recorded.steps[-1]
    a, b = recorded.maps(last, MAPS), recorded.maps(first, MAPS)
    assert np.abs(a - b).max() > 0.02
    for what, expected in (("A", a), ("B", b), (CHANGE, a - b)):
        show(tab, what)
        until_map_reads(tab, 1, expected[1])


def test_links_are_born_lost_and_kept_as_the_recording_says(tab, recorded):
    compare_first_and_last(tab, recorded)
    show(tab, CHANGE)
    a, b = (recorded.mean(step, LINKS) for step in (recorded.steps[-1], recorded.steps[0]))
    cut = round(float(np.median(b)) / 0.005) * 0.005
    set_cut(tab, "value", f"{cut:.3f}")
    fates = {
        "born": cells((a >= cut) & (b < cut)),
        "lost": cells((a < cut) & (b >= cut)),
        "kept": cells((a >= cut) & (b >= cut)),
    }
    assert all(fates.values())
    for fate, expected in fates.items():
        until_equal(tab, lambda fate=fate, expected=expected: (links(tab, f".{fate}"), expected))
    born, lost, kept = (len(fates[name]) for name in ("born", "lost", "kept"))
    drawn = born + lost + kept
    assert link_note(tab) == f"{drawn} of {a.size} links\n{born} born · {lost} lost\n{kept} kept"


def test_heads_are_ranked_by_scipys_jensen_shannon_and_a_click_goes_to_the_head(tab, recorded):
    compare_first_and_last(tab, recorded)
    choose_view(tab, "Heads")
    a, b = (
        [recorded.maps(step, layer) for layer in range(2)]
        for step in (recorded.steps[-1], recorded.steps[0])
    )
    change = {
        (layer, head): jensenshannon(a[layer][head], b[layer][head], base=2, axis=1).mean()
        for layer, head in HEADS
    }
    order = sorted(change, key=change.__getitem__, reverse=True)
    rows = tab.frame.locator("button.rank")

    def ranked():
        seen = rows.evaluate_all(
            "all => all.map(b => [[+b.dataset.layer, +b.dataset.head], +b.dataset.value])"
        )
        return seen, [[list(head), pytest.approx(change[head], abs=1e-5)] for head in order]

    until_equal(tab, ranked)
    layer, head = order[1]
    rows.nth(1).click()
    title = f"Layer {layer + 1} · head {head + 1}"
    side = tab.frame.locator(".side-figure")
    until_equal(tab, lambda: (title in side.inner_text(), True))
    choose_view(tab, "Network")
    tab.frame.get_by_role("dialog", name=title).wait_for()


def test_links_by_value_by_mass_and_by_number_say_what_share_they_carry(tab, recorded):
    mean = recorded.mean(recorded.steps[-1], LINKS)
    go_to(tab, recorded, recorded.steps[-1])
    weights = np.sort(mean.astype(np.float64).ravel())[::-1]
    sums = np.cumsum(weights)
    numbers = {
        ("value", 0.12): int((weights >= 0.12).sum()),
        ("mass", 0.6): int((sums < 0.6 * len(mean)).sum()) + 1,
        ("count", 7): 7,
    }
    for (rule, amount), count in numbers.items():
        assert 0 < count < mean.size
        set_cut(tab, rule, amount)
        share = round(100 * sums[count - 1] / len(mean))
        expected = f"{count} of {mean.size} links\n{share} % of attention"
        until_equal(tab, lambda expected=expected: (link_note(tab), expected))
        assert links(tab) == strongest_links(mean, count)


def lit_of(tab, side, index):
    """The links that are lit, and those that should be when a token is pinned."""
    return links(tab, ".lit"), {link for link in links(tab) if link[side] == index}


def pin_in_last_column(tab, index):
    column = tab.frame.get_by_role("group", name="Tokens after the last layer")
    column.locator(".token-box").nth(index).click()


def test_a_pinned_token_survives_a_step_change_and_the_address(tab, recorded, server, open_tab):
    set_cut(tab, "count", 30)
    pin_in_last_column(tab, 2)
    for step in (recorded.steps[0], recorded.steps[-1], recorded.steps[1]):
        go_to(tab, recorded, step)
        mean = recorded.mean(step, LINKS)
        own = {(2, key) for key in range(mean.shape[1]) if mean[2, key] > 0}
        drawn = strongest_links(mean, 30) | own  # all of the pinned word, whatever the cut
        until_equal(tab, lambda drawn=drawn: (links(tab), drawn))
        lit, wanted = lit_of(tab, 0, 2)
        assert lit == wanted != set()
        assert links(tab, ".dim") == drawn - wanted
    for pair in (f"step={recorded.steps[1]}", "token=q2"):
        tab.page.wait_for_function(f"() => /[.]{pair}(&|$)/.test(location.hash)")
    other = open_tab(server, fragment=tab.page.evaluate("location.hash")).wait_until_drawn()
    assert shown_step(other) == recorded.steps[1]
    until_equal(other, lambda: (links(other, ".lit"), wanted))


def listed_edges(tab):
    rows = tab.frame.locator(".graph-side .ranking:not(.class-parts) li")
    words = rows.locator(".edge-word").all_inner_texts()
    values = rows.locator(".rank-value").all_inner_texts()
    return [[word, float(value)] for word, value in zip(words, values, strict=True)]


def strongest_edges(recorded, *, layer, head, token):
    """The graph's list for one token of one head: the sum of both directions, [CLS] left out."""
    matrix = recorded.maps(recorded.steps[-1], layer)[head]
    weights = (matrix + matrix.T)[token]
    others = [at for at in range(1, len(weights)) if at != token]
    order = sorted(others, key=lambda at: -weights[at])[:7]
    return [[recorded.words[at], pytest.approx(weights[at], abs=0.0051)] for at in order]


def test_token_head_and_layer_chosen_in_one_view_are_chosen_in_the_others(tab, recorded):
    set_cut(tab, "count", 40)
    go_to(tab, recorded, recorded.steps[-1])
    pin_in_last_column(tab, 2)
    choose_view(tab, "Heads")
    tab.frame.locator('.cell[data-layer="1"][data-head="1"]').click()
    choose_view(tab, "Graph")
    # The graph shows the token of the network and the head and layer of the heads view.
    expected = strongest_edges(recorded, layer=1, head=1, token=2)
    until_equal(tab, lambda: (listed_edges(tab), expected))
    # Its next token, one layer up, is chosen everywhere else.
    tab.page.keyboard.press("l")
    tab.page.keyboard.press("k")
    expected = strongest_edges(recorded, layer=0, head=1, token=3)
    until_equal(tab, lambda: (listed_edges(tab), expected))
    choose_view(tab, "Network")
    tab.frame.get_by_role("dialog", name="Layer 1 · head 2").wait_for()
    until_equal(tab, lambda: lit_of(tab, 1, 3))
    assert links(tab, ".lit")
    choose_view(tab, "Heads")
    chosen = tab.frame.locator('button.rank[aria-pressed="true"]')
    until_equal(
        tab,
        lambda: (
            chosen.evaluate_all("a => a.map(b => [+b.dataset.layer, +b.dataset.head])"),
            [[0, 1]],
        ),
    )


def test_the_same_head_and_probe_of_two_runs_are_compared(tab, recorded):
    last = recorded.steps[-1]
    go_to(tab, recorded, last)
    tab.frame.get_by_role("button", name="Pin B here").click()
    choose_run(tab, "version_1")
    tab.frame.get_by_label("Shown step").get_by_text("version_0").wait_for()
    show(tab, CHANGE)
    a, b = (recorded.maps(last, MAPS, version) for version in (1, 0))
    assert np.abs(a - b).max() > 0.02
    until_map_reads(tab, 0, a[0] - b[0])
    readout = tab.frame.get_by_label("Shown step").inner_text()
    assert "in lightning_logs/version_0" in readout
    show(tab, "B")
    until_map_reads(tab, 0, b[0])


def test_merged_words_sum_over_attention_to_pieces_and_mean_over_attention_from_them(tab, recorded):
    go_to(tab, recorded, recorded.steps[-1])
    tab.frame.get_by_label("Merge word pieces").check()
    groups = []
    for at, word in enumerate(recorded.words):
        if at > 1 and word.startswith("##"):  # at 1 the token before it is [CLS]
            groups[-1].append(at)
        else:
            groups.append([at])
    assert len(groups) < len(recorded.words)
    pieces_map = recorded.maps(recorded.steps[-1], MAPS)[1]
    expected = np.array(
        [
            [pieces_map[np.ix_(rows, columns)].sum() / len(rows) for columns in groups]
            for rows in groups
        ]
    )
    np.testing.assert_allclose(expected.sum(1), 1, atol=1e-5)
    until_map_reads(tab, 1, expected)
    canvas = tab.frame.locator(f'canvas.heat[data-layer="{MAPS}"][data-head="1"]')
    seen = read_map(tab, canvas, tab.frame.locator(".popup-reading"), expected.shape)
    np.testing.assert_allclose(seen.sum(1), 1, atol=PRINTED * len(groups))


def test_the_map_in_headlens_is_the_heads_stored_map_with_its_words(tab, recorded):
    last = recorded.steps[-1]
    go_to(tab, recorded, last)
    tab.frame.locator(f'canvas.heat[data-layer="{MAPS}"][data-head="1"]').click()
    tab.frame.get_by_role("dialog").get_by_role("button", name=re.compile("HeadLens")).click()
    canvas = tab.frame.locator("canvas.lens-map")
    canvas.wait_for()
    expected = recorded.maps(last, MAPS)[1]
    tip = tab.frame.locator(".lens-body .tip .strong")
    seen = read_map(tab, canvas, tip, expected.shape)
    np.testing.assert_allclose(seen, expected, atol=PRINTED)
    assert tab.frame.locator("text.lens-axis").all_text_contents() == recorded.words
    taken = tab.frame.locator(
        "rect.lens-reads"
    )  # what each query cluster takes home, over the mean
    sizes = [float(bar.get_attribute("data-reads") or "nan") for bar in taken.all()]
    assert min(sizes) < 1 < max(sizes)
    slider(tab).press("Home")
    before = recorded.maps(recorded.steps[0], MAPS)[1]
    until_equal(
        tab,
        lambda: (
            read_map(tab, canvas, tip, expected.shape).tolist(),
            [pytest.approx(row, abs=PRINTED) for row in before],
        ),
    )
