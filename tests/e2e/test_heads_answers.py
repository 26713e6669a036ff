"""What the Heads view answers: which heads changed, are redundant, choose nothing, and do what."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from markers import write_run
from playwright.sync_api import expect
from recordings import METRICS, encoder_info, record

from attn_monitor import open_run
from attn_monitor.analysis.metrics.registry import metric_specs
from attn_monitor.core.importance import IMPORTANCE
from attn_monitor.core.nouns import MetricSpec
from tests.e2e.conftest import serve
from tests.e2e.hands import until_equal

LAYERS, HEADS, TOKENS = 3, 4, 9
STEPS = (0, 10, 20)
LOSSES = (0.9, 0.4, 0.7)
TWINS = ((0, 1), (2, 3))
LAZY, EVEN = (1, 0), (1, 2)
ASLEEP, AWAKE = (2, 1), (0, 3)
UNIT = "loss"
EFFECTS = np.array([[0.3, 0.02, -0.0004, 0.07], [0.5, 0.9, 0.001, np.nan], [0.4, 0.0, 0.6, 0.2]])
TOGETHER = {1: -0.0004, 3: 0.0021, 6: 0.35}  # three cost more than each of them says
MUTED = MetricSpec(
    name=IMPORTANCE, title="Importance", unit=UNIT, low=None, high=None, reading="", source=""
)
[SHARE] = [spec for spec in metric_specs() if spec.name == "writes_share"]


def planted(info, step, loss):
    """Two heads of different layers are the same, one looks at its third key, one evenly.

    One writes nothing from step 10 on, one wrote little before.
    """
    measured = {"importance/loss": 0.5, "importance/repeat": 0.0}
    measured |= {f"importance/without_{n}": effect for n, effect in TOGETHER.items()}
    scalars = {"val_loss": loss, **(measured if step == STEPS[1] else {})}
    made = record(info, step, vectors=True, scalars=scalars)
    maps = {at: attn.copy() for at, attn in made.attention["encoder"].items()}
    for attn in maps.values():
        attn[TWINS[1]] = attn[TWINS[0]]
        attn[LAZY] = 0.02 / (attn.shape[-1] - 1)
        attn[LAZY][:, 2] = 0.98
        attn[EVEN] = 1 / attn.shape[-1]
    made.metrics["encoder"][..., -1] = EFFECTS if step == STEPS[1] else np.nan
    shares = made.metrics["encoder"][..., -2]
    shares[...] = 1 / HEADS
    shares[:, *ASLEEP] = 0.01 if step else 1 / HEADS
    shares[:, *AWAKE] = 1 / HEADS if step else 0.04
    return replace(made, attention={"encoder": maps})


@pytest.fixture(scope="module")
def heads_logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    info = encoder_info(lengths=(TOKENS, TOKENS), count=LAYERS, heads=HEADS)
    even = np.column_stack([info.uniform["encoder"], np.full((LAYERS, 2), np.nan, np.float32)])
    info = replace(info, metrics=(*info.metrics, SHARE, MUTED), uniform={"encoder": even})
    steps = [planted(info, step, loss) for step, loss in zip(STEPS, LOSSES, strict=True)]
    write_run(folder / "planted", info, steps)
    return folder


@pytest.fixture(scope="module")
def heads_tab(heads_logdir):
    with serve(heads_logdir) as url:
        yield url


def opened(open_tab, url, **choices):
    chosen = {"view": "heads", "run": "planted", **choices}
    pairs = "".join(f"&p.attn_monitor.{key}={quote(text)}" for key, text in chosen.items())
    tab = open_tab(url, fragment=f"#attn_monitor{pairs}")
    tab.frame.locator(".ranking li").first.wait_for()
    return tab


def button(tab, name, *, exact=True):
    return tab.frame.get_by_role("button", name=name, exact=exact)


def places(rows):
    return rows.evaluate_all("all => all.map(r => [+r.dataset.layer, +r.dataset.head])")


PAINTED = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, at) => at % 4 === 3 && value > 0);
}"""


def test_the_maps_of_all_heads_and_their_change_are_shown_without_holding_one(heads_tab, open_tab):
    tab = opened(open_tab, heads_tab)
    button(tab, "Maps at A").click()
    cells = tab.frame.locator(".map-cell")
    cells.nth(LAYERS * HEADS - 1).wait_for()
    expect(cells).to_have_count(LAYERS * HEADS)
    canvases = cells.locator("canvas").all()
    until_equal(tab, lambda: (all(canvas.evaluate(PAINTED) for canvas in canvases), True))
    button(tab, "A \N{MINUS SIGN} B").click()
    button(tab, "Maps A \N{MINUS SIGN} B").wait_for()
    change = "Attention of L1 H1, A \N{MINUS SIGN} B"
    cells.first.locator(f"canvas[aria-label^='{change}']").wait_for()


def test_the_list_is_sorted_by_the_recorded_metric_and_by_change(heads_tab, heads_logdir, open_tab):
    tab = opened(open_tab, heads_tab, panel="list", step="20")
    rows = tab.frame.locator(".head-list tbody tr")
    rows.nth(LAYERS * HEADS - 1).wait_for()
    ranked = tab.frame.locator(".ranking .rank")
    assert places(rows) == places(ranked)  # the largest change first
    run = open_run(heads_logdir / "planted")
    metric = METRICS[1].name
    tab.frame.get_by_label("Metric").select_option(value=metric)
    tab.frame.locator("[data-key=a] button").click()
    tab.page.wait_for_url(re.compile("sorted=a-"))
    values = run.metric_values(part="encoder", probe=0)[-1, ..., 1]  # [layer, head]
    order = [divmod(int(at), HEADS) for at in np.argsort(-values.ravel())]
    assert [tuple(place) for place in places(rows)] == order
    tab.frame.locator("[data-key=a] button").click()
    tab.page.wait_for_url(re.compile("sorted=a(&|$)"))
    assert [tuple(place) for place in places(rows)] == order[::-1]


def test_redundant_pairs_and_idle_heads_are_two_clicks_away(heads_tab, open_tab):
    tab = opened(open_tab, heads_tab)
    button(tab, "Redundant").click()
    first = tab.frame.locator(".pairs li").first
    first.wait_for()
    assert places(first.locator("canvas")) == [list(head) for head in TWINS]
    expect(first.locator(".rank-value")).to_have_text("0.000", use_inner_text=True)
    first.locator("button").last.click()
    expect(tab.frame.locator(".side-figure h2")).to_contain_text(
        "Layer 3 · head 4", use_inner_text=True
    )
    button(tab, "Idle").click()
    lines = tab.frame.locator(".pairs li")
    tab.frame.locator(".pairs .note").first.wait_for()
    assert places(lines.locator("canvas")) == [list(LAZY), list(EVEN)]
    lazy, even = lines.locator(".note").all_inner_texts()
    assert lazy == "98 % of its attention on position 3, here “w2”"
    assert even.startswith("spreads evenly: 0.00")
    button(tab, "Dormant").click()
    tab.frame.locator(".pairs [data-asleep]").first.wait_for()
    assert places(lines.locator("canvas")) == [list(ASLEEP), list(AWAKE)]
    assert lines.locator(".note").all_inner_texts() == [
        "writes 4 % of an average head; asleep since step 10",
        "writes 100 % of an average head; awake; slept from step 0 to 10",
    ]
    tab.page.wait_for_url(re.compile("side=dormant(&|$)"))


def test_the_heads_that_can_go_are_listed_with_what_they_cost_together(heads_tab, open_tab):
    tab = opened(open_tab, heads_tab, step="0")
    button(tab, "Can go").click()
    said = tab.frame.locator(".heads-side .note")
    said.get_by_text("Not measured up to this step").wait_for()
    tab.page.wait_for_url(re.compile("side=importance(&|$)"))
    tab = opened(open_tab, heads_tab, step="20")  # measured at step 10
    button(tab, "Can go").click()
    lines = tab.frame.locator(".pairs li")
    lines.first.wait_for()
    order = [divmod(int(at), HEADS) for at in np.argsort(EFFECTS.ravel())[:-1]]  # not the NaN
    assert [tuple(place) for place in places(lines.locator("canvas"))] == order
    rows = [text.split("\n")[-1] for text in lines.all_inner_texts()]
    minus = "\N{MINUS SIGN}"
    assert rows[:2] == [f"{minus}0.00040", f"without it: {minus}0.00040"]
    assert rows[2:5] == ["0", "+0.0010", "without these 3 together: +0.0021"]
    harmless = tab.frame.locator(".together").evaluate_all("all => all.map(r => r.dataset)")
    assert [(x["heads"], x["harmless"]) for x in harmless] == [
        ("1", "true"),
        ("3", "true"),
        ("6", "false"),
    ]
    side = tab.frame.locator(".heads-side").inner_text()
    assert "3 of 11 heads can go together: loss +0.0021, measured." in side
    assert "rise of the loss (0.500) without a head, on the probes at step 10" in side
    for name, rows in (("CSV", 1 + len(order)), ("JSON", len(order))):
        with tab.page.expect_download() as saved:
            tab.frame.locator(".heads-side").get_by_role("button", name=name, exact=True).click()
        text = Path(saved.value.path()).read_text(encoding="utf-8")
        assert saved.value.suggested_filename.endswith(name.lower())
        if name == "CSV":
            header, first, *_ = text.splitlines()
            assert header == "rank,part,layer,head,effect,effect_of_all_so_far,unit,step"
            number = float(np.float32(-0.0004))
            assert first == f"0,encoder,0,2,{number},-0.0004,loss,10"
            assert len(text.splitlines()) == rows
        else:
            assert len(json.loads(text)["heads"]) == rows


def test_one_click_compares_with_the_best_step(heads_tab, open_tab):
    tab = opened(open_tab, heads_tab)
    button(tab, "Compare with the best step").click()
    tab.page.wait_for_url(re.compile("b=10.*show=diff|show=diff.*b=10"))
    value = tab.frame.locator(".cell .cell-value").first.text_content()
    assert value[0] in "+\N{MINUS SIGN}0"


def test_headlens_opens_by_a_button_and_by_enter_after_a_click(heads_tab, open_tab):
    tab = opened(open_tab, heads_tab)
    tab.frame.locator('.cell[data-layer="1"][data-head="3"]').click()
    button(tab, "Open HeadLens").click()
    lens = tab.frame.get_by_role("region", name="HeadLens of Layer 2 · head 4")
    lens.wait_for()
    button(tab, "Close").click()
    lens.wait_for(state="detached")
    button(tab, "List").click()
    tab.page.keyboard.press("Enter")
    lens.wait_for()
    button(tab, "List").wait_for()


def test_the_range_of_the_curves_is_printed(heads_tab, heads_logdir, open_tab):
    tab = opened(open_tab, heads_tab)
    tab.frame.locator(".cell").first.wait_for()
    run = open_run(heads_logdir / "planted")
    values = run.metric_values(part="encoder", probe=0)[..., 0]
    limits = tab.frame.locator(".grid-limit").all_text_contents()
    assert len(limits) == 2 * LAYERS
    assert {float(text) for text in limits} == {
        round(float(values.max()), 2),
        round(float(values.min()), 2),
    }
