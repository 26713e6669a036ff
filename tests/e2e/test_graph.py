"""The graph of planes, used with the mouse, against the recording's own numbers."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest
from markers import write_run
from playwright.sync_api import expect
from recordings import encoder_info, record, translation_info

from attn_monitor import open_run
from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from tests.e2e.conftest import serve
from tests.e2e.hands import until_equal

TOKENS, LAYERS, HEADS = 9, 3, 4
STEPS = (0, 10)
NAMES = ("angry", "<b>so-so</b>", "happy")


def answer(step):
    random = np.random.default_rng(step)
    return ClassAnswer(
        scores=random.normal(size=3).astype("f4"),
        contributions=random.normal(size=(TOKENS, 3)).astype("f4"),
    )


@pytest.fixture(scope="module")
def graph_logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graph")
    info = encoder_info(lengths=(TOKENS,), count=LAYERS, heads=HEADS)
    layer = ClassLayer(names=NAMES, method="linear_mean")
    info = replace(info, classes=layer, options={"d_model": 8, "d_ff": 32})
    steps = [replace(record(info, step), classes={0: answer(step)}) for step in STEPS]
    write_run(folder / "encoder", info, steps)
    write_run(folder / "translation", translation_info(), [record(translation_info(), 0)])
    plain = replace(info, classes=None)
    write_run(folder / "plain", plain, [record(plain, step) for step in STEPS])
    return folder


@pytest.fixture(scope="module")
def graph_tab(graph_logdir):
    with serve(graph_logdir) as url:
        yield url


def opened(open_tab, url, **choices):
    chosen = {"view": "graph", "run": "encoder", "step": "0", **choices}
    pairs = "".join(f"&p.attn_monitor.{key}={quote(text)}" for key, text in chosen.items())
    tab = open_tab(url, fragment=f"#attn_monitor{pairs}")
    tab.frame.locator(".graph-canvas").wait_for()
    return tab


def sums(logdir, *, step=0, layer=0):
    """A + A^T of the mean over heads: the weight of every pair."""
    maps = open_run(logdir / "encoder").attention(step=step, probe=0, part="encoder", layer=layer)
    mean = maps.mean(axis=0)
    return mean + mean.T


def listed(tab):
    """The strongest edges of the selected token, as (word, weight)."""
    rows = tab.frame.locator(".graph-side .ranking:not(.class-parts) li")
    words = rows.locator(".edge-word").all_inner_texts()
    values = rows.locator(".rank-value").all_inner_texts()
    return list(zip(words, map(float, values), strict=True))


def words_of(logdir):
    return open_run(logdir / "encoder").probe(0).source.text


def test_the_strongest_edges_of_the_selected_token_are_the_recording_s(
    graph_tab, graph_logdir, open_tab
):
    tab = opened(open_tab, graph_tab, node="1.2")
    weights = sums(graph_logdir, layer=1)[2]
    words = words_of(graph_logdir)
    others = [at for at in range(1, TOKENS) if at != 2]  # the special token is left out
    order = sorted(others, key=lambda at: -weights[at])
    expected = [(words[at], weights[at]) for at in order[:7]]
    shown = listed(tab)
    assert [word for word, _ in shown] == [word for word, _ in expected]
    assert [value for _, value in shown] == pytest.approx([v for _, v in expected], abs=0.0051)


def pairs_of_words():
    return [(a, b) for a in range(1, TOKENS) for b in range(a + 1, TOKENS)]


def count_text(tab):
    return tab.frame.locator(".graph-count").inner_text()


def test_the_cut_keeps_what_is_above_it_and_says_how_much(graph_tab, graph_logdir, open_tab):
    tab = opened(open_tab, graph_tab, graph="mean~sum~uniform~1.2~wv")
    kept = sum(
        sums(graph_logdir, layer=layer)[pair] / (2 / TOKENS) >= 1.2
        for layer in range(LAYERS)
        for pair in pairs_of_words()
    )
    total = LAYERS * TOKENS * (TOKENS - 1) // 2
    assert count_text(tab).startswith(f"{kept} of {total} edges, ")


COUNT_PIXELS = """(canvas, name) => {
  const mark = canvas.parentElement.appendChild(document.createElement("i"));
  mark.style.color = `var(${name})`;
  const wanted = getComputedStyle(mark).color.match(/\\d+/g).map(Number);
  mark.remove();
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    found += wanted.every((value, channel) => Math.abs(data[at + channel] - value) <= 1);
  }
  return found;
}"""


def compared(open_tab, url, *, a, b, cut):
    choices = {"step": str(a), "b": str(b), "show": "diff", "graph": f"mean~sum~raw~{cut:.3f}~w"}
    tab = opened(open_tab, url, run="plain", **choices)
    tab.frame.locator(".graph-fates").wait_for()
    return tab


def word_weights(logdir, step):
    """The weight of every pair of words: {(layer, from, to): weight}."""
    run = open_run(logdir / "plain")
    means = [
        run.attention(step=step, probe=0, part="encoder", layer=layer).mean(axis=0)
        for layer in range(LAYERS)
    ]
    return {
        (layer, x, y): means[layer][x, y] + means[layer][y, x]
        for layer in range(LAYERS)
        for x, y in pairs_of_words()
    }


def fates(logdir, *, a, b, cut):
    """What became of every pair of words that passes the cut in A or in B."""
    before, now = word_weights(logdir, b), word_weights(logdir, a)
    assert min(abs(weight - cut) for weight in (*before.values(), *now.values())) > 1e-5
    names = {(True, False): "born", (False, True): "lost", (True, True): "kept"}
    passes = {pair: (now[pair] >= cut, before[pair] >= cut) for pair in now}
    return {pair: names[both] for pair, both in passes.items() if any(both)}


def downloaded_fates(tab):
    with tab.page.expect_download() as download:
        tab.frame.get_by_role("button", name="Download the numbers as CSV").click()
    rows = csv.DictReader(io.StringIO(download.value.path().read_text()))
    return {(int(r["layer"]), int(r["from"]), int(r["to"])): r["fate"] for r in rows}


def test_edges_are_born_lost_and_kept_as_the_recording_says(graph_tab, graph_logdir, open_tab):
    choice = {"a": 10, "b": 0, "cut": 0.3}
    tab = compared(open_tab, graph_tab, **choice)
    expected = fates(graph_logdir, **choice)
    born, lost, kept = (list(expected.values()).count(fate) for fate in ("born", "lost", "kept"))
    assert min(born, lost, kept) > 0
    expect(tab.frame.locator(".graph-fates")).to_have_text(
        f"{born} born · {lost} lost · {kept} kept", use_inner_text=True
    )
    assert downloaded_fates(tab) == expected


def test_a_born_edge_is_green_a_lost_one_purple_and_a_kept_one_neither(
    graph_tab, graph_logdir, open_tab
):
    """The strongest pair of both steps, alone on the canvas: born one way, lost the other way."""
    weights = [word_weights(graph_logdir, step) for step in STEPS]
    second, first = sorted(weight for of in weights for weight in of.values())[-2:]
    strongest = round((first + second) / 2, 3)
    has_it = STEPS[max((0, 1), key=lambda at: max(weights[at].values()))]
    has_not = sum(STEPS) - has_it
    for a, b, fate in (
        (has_it, has_not, "born"),
        (has_not, has_it, "lost"),
        (has_it, has_it, "kept"),
    ):
        choice = {"a": a, "b": b, "cut": strongest}
        assert list(fates(graph_logdir, **choice).values()) == [fate]
        tab = compared(open_tab, graph_tab, **choice)
        canvas = tab.frame.locator(".graph-canvas")

        def drawn(canvas=canvas):
            return [canvas.evaluate(COUNT_PIXELS, name) > 50 for name in ("--more", "--less")]

        until_equal(tab, lambda drawn=drawn, fate=fate: (drawn(), [fate == "born", fate == "lost"]))


@pytest.mark.parametrize("choice", ["Strongest per layer", "Share of weight"])
def test_pruning_by_number_and_by_mass_keeps_the_strongest(
    graph_tab, graph_logdir, open_tab, choice
):
    tab = opened(open_tab, graph_tab)
    tab.frame.get_by_label("Keep", exact=True).select_option(label=choice)
    slider = tab.frame.locator(".graph-side input[type=range]")
    slider.fill("5" if choice.startswith("Strongest") else "0.4")
    with tab.page.expect_download() as download:
        tab.frame.get_by_role("button", name="Download the numbers as CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    for layer in range(LAYERS):
        found = {(int(r["from"]), int(r["to"])) for r in rows if r["layer"] == str(layer)}
        weights = sums(graph_logdir, layer=layer)
        order = sorted(pairs_of_words(), key=lambda pair: -weights[pair])
        if choice.startswith("Strongest"):
            assert found == set(order[:5])
        else:
            total = sum(weights[pair] for pair in order)
            running = np.cumsum([weights[pair] for pair in order])
            assert found == set(order[: int(np.searchsorted(running, 0.4 * total)) + 1])


def test_dragging_turns_the_wheel_zooms_and_a_double_click_resets(graph_tab, open_tab):
    tab = opened(open_tab, graph_tab)
    box = tab.frame.locator(".graph-canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    mouse = tab.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 100, y + 20, steps=4)
    mouse.up()
    tab.page.wait_for_url(re.compile(r"camera=0\.14~0\.26~1(&|$)"))
    mouse.wheel(0, -400)
    tab.page.wait_for_url(re.compile(r"camera=0\.14~0\.26~1\.896~"))
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 30, y + 10, steps=4)
    mouse.up()
    across, down = 100 * (1 - 1.896) + 30, (30 - box["height"] / 2 + 20) * (1 - 1.896) + 10
    moved = re.compile(r"camera=0\.14~0\.26~1\.896~([-\d.]+)~([-\d.]+)")
    tab.page.wait_for_function(f"location.href.includes('~{int(across)}')")
    found = moved.search(tab.page.url)
    assert (float(found[1]), float(found[2])) == pytest.approx((across, down), abs=1.5)
    address = tab.page.url
    mouse.dblclick(x, y)
    tab.page.wait_for_url(lambda url: "camera=" not in url)
    again = open_tab(graph_tab, fragment=address[address.index("#") :])
    again.frame.locator(".graph-canvas").wait_for()
    assert "1.896" in again.page.url


def test_pointing_names_what_is_there_and_clicking_selects_it(graph_tab, graph_logdir, open_tab):
    tab = opened(open_tab, graph_tab, node="0.1")
    canvas = tab.frame.locator(".graph-canvas")
    box = canvas.bounding_box()
    tip = tab.frame.locator(".tip")
    edge = token = None
    for y in range(60, int(box["height"]) - 60, 9):
        for x in range(int(box["width"] * 0.6), int(box["width"]) - 140, 9):
            tab.page.mouse.move(box["x"] + x, box["y"] + y)
            text = tip.inner_text() if tip.is_visible() else ""
            if "weight" in text:
                edge = edge or text
            elif edge and "layer 3" in text:
                token = text.split(" · ")[0]
                break
        if token:
            break
    first, joint, second = re.match(r"(\w+) (.) (\w+) · layer (\d)", edge).group(1, 2, 3)
    assert joint == "\N{EN DASH}"
    weight = float(re.search(r"weight ([\d.]+)", edge)[1])
    words = words_of(graph_logdir)
    layer = int(re.search(r"layer (\d)", edge)[1]) - 1
    true = sums(graph_logdir, layer=layer)[words.index(first), words.index(second)]
    assert weight == pytest.approx(true, abs=6e-5)
    tab.page.mouse.down()
    tab.page.mouse.up()
    assert token in words_of(graph_logdir)
    heading = tab.frame.locator(".graph-side h2", has_text="in layer 3")
    heading.wait_for()
    expect(heading).to_contain_text(token, use_inner_text=True)


def test_the_class_layer_shows_the_answer_and_follows_the_step(graph_tab, graph_logdir, open_tab):
    tab = opened(open_tab, graph_tab)
    run = open_run(graph_logdir / "encoder")
    for step in STEPS:
        if step:
            tab.frame.locator(".step-slider").press("ArrowRight")
        found = run.class_answer(step=step, probe=0)
        chances = np.exp(found.scores) / np.exp(found.scores).sum()
        tops = f"{NAMES[int(chances.argmax())]}, {round(100 * chances.max())}"
        chosen = tab.frame.get_by_label("Class", exact=True)
        chosen.locator("option", has_text=tops).wait_for(state="attached")
        chosen.select_option(value="2")
        parts = found.contributions[:, 2]
        order = np.argsort(-np.abs(parts))[:5]
        rows = tab.frame.locator(".class-parts li")
        rows.nth(4).wait_for()
        words = [words_of(graph_logdir)[at] for at in order]
        expect(rows.locator(".edge-word")).to_have_text(words, use_inner_text=True)
        shown = [
            v.replace("\N{MINUS SIGN}", "-") for v in rows.locator(".rank-value").all_inner_texts()
        ]
        assert [float(value) for value in shown] == pytest.approx(parts[order], abs=0.0051)
    expect(tab.frame.locator(".graph-side b")).to_have_count(0)  # class names stay text


def test_feed_forward_blocks_can_be_drawn_where_their_widths_are_known(graph_tab, open_tab):
    tab = opened(open_tab, graph_tab)
    canvas = tab.frame.locator(".graph-canvas")
    before = canvas.screenshot()
    tab.frame.get_by_label("Feed-forward 8 \N{RIGHTWARDS ARROW} 32 \N{RIGHTWARDS ARROW} 8").check()
    tab.page.wait_for_url(re.compile("wvf"))
    assert canvas.screenshot() != before
    other = opened(open_tab, graph_tab, run="translation")
    assert other.frame.get_by_label("Feed-forward").is_disabled()


def test_source_and_target_stand_on_planes_of_their_own(graph_tab, graph_logdir, open_tab):
    choices = {"run": "translation", "part": "cross", "node": "1.2", "graph": "mean~sum~raw~0~v"}
    tab = opened(open_tab, graph_tab, **choices)
    run = open_run(graph_logdir / "translation")
    mean = run.attention(step=0, probe=0, part="cross", layer=0).mean(axis=0)
    target, source = mean.shape
    assert count_text(tab).startswith(f"{2 * target * source} of {2 * target * source} edges, 100")
    order = np.argsort(-mean[2])[:7]
    assert [word for word, _ in listed(tab)] == [run.probe(0).source.text[at] for at in order]
    assert [v for _, v in listed(tab)] == pytest.approx(mean[2][order], abs=0.0051)
    tab.frame.locator(".edge-row").first.click()
    tab.frame.locator(".graph-side h2", has_text=run.probe(0).source.text[order[0]]).wait_for()


def test_the_graph_s_code_is_fetched_when_it_is_first_looked_at(graph_tab, open_tab):
    tab = open_tab(graph_tab, fragment="#attn_monitor").wait_until_drawn()
    assert not any("GraphView" in url for url in tab.requests)
    tab.frame.get_by_role("button", name="Graph", exact=True).click()
    tab.frame.locator(".graph-canvas").wait_for()
    assert any("GraphView" in url for url in tab.requests)
