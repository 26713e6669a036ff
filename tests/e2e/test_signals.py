"""The signals view: a run that memorises shows its marker, a healthy run of that length none."""

import csv
import io
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attn_monitor import open_run
from attn_monitor.signals import assess
from tests.e2e.conftest import PATIENCE, serve
from tests.e2e.hands import until_equal
from tests.e2e.test_accessibility import serious_faults
from tests.odd_recordings import record_steps
from tests.programs import run_program

MINUS = "\N{MINUS SIGN}"
SIGNALS = "#attn_monitor&p.attn_monitor.view=signals"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    logs = tmp_path_factory.mktemp("signals") / "logs"
    trained = run_program(str(logs), module="tests.signal_runs")
    assert trained.returncode == 0, trained.stderr[-3000:]
    record_steps(logs / "alone", range(0, 60, 20))  # no training probes
    return logs


@pytest.fixture(scope="module")
def server(folder):
    with serve(folder, "--load_fast=false") as url:
        yield url


@pytest.fixture
def show(server, open_tab):
    """Open the signals view of a run and wait for its verdict."""

    def show_(run, **state):
        pairs = "".join(f"&p.attn_monitor.{name}={value}" for name, value in state.items())
        tab = open_tab(server, fragment=f"{SIGNALS}&p.attn_monitor.run={run}{pairs}")
        tab.frame.locator("[data-state]").wait_for()
        chart(tab, "metric-0").locator(".line").first.wait_for(state="attached")
        return tab

    return show_


def chart(tab, name):
    return tab.frame.locator(f'[data-chart="{name}"]')


def slider(tab):
    return tab.frame.get_by_role("slider", name="Training step")


def shown_step(tab):
    return int(slider(tab).get_attribute("aria-valuenow"))


def markers(tab):
    return tab.frame.locator(".ring.warn")


def at_a(tab, name):
    """The numbers a chart prints at A, by curve, once its curves are there."""
    chart(tab, name).locator(".line").first.wait_for(state="attached")
    ends = chart(tab, name).locator("text.end").all_text_contents()
    values = chart(tab, name).locator("text.end-value").all_text_contents()
    numbers = [float(text.removesuffix(" at A").replace(MINUS, "-")) for text in values]
    return dict(zip(ends, numbers, strict=True))


def test_an_overfit_run_shows_the_marker_with_one_sentence_p_and_n(show, folder):
    found = assess(open_run(folder / "overfit"))
    flag = found.signal("output_entropy_gap")
    epoch = found.epochs[list(found.steps).index(flag.fired)]
    tab = show("overfit")
    verdict = tab.frame.get_by_role("region", name="Verdict", exact=True)
    expect(verdict.locator("[data-state]")).to_have_attribute("data-state", "fired")
    text = verdict.inner_text()
    assert found.headline in text
    assert flag.trust in text
    assert f"n = {flag.n_val} validation + {flag.n_train} training sentences" in text
    for name in ("loss", "output_entropy_gap"):
        expect(chart(tab, name).locator(".ring.warn")).to_have_count(1)
        expect(chart(tab, name).get_by_text(f"signal, epoch {epoch}", exact=True)).to_have_count(1)
    expect(chart(tab, "loss").get_by_text("best validation, epoch")).to_have_count(1)
    assert serious_faults(tab) == []
    verdict.get_by_role("button", name="Go to").click()
    assert shown_step(tab) == flag.fired
    gap = next(curve for curve in flag.curves if curve.name == "change").values
    at = list(found.steps).index(flag.fired)
    assert at_a(tab, "output_entropy_gap")[f"val {MINUS} train"] == pytest.approx(gap[at], abs=6e-4)


def test_a_healthy_run_of_the_same_length_shows_none(show, folder):
    lengths = {len(open_run(folder / run).steps) for run in ("overfit", "healthy")}
    assert len(lengths) == 1
    tab = show("healthy")
    expect(tab.frame.locator("[data-state]")).to_have_attribute("data-state", "quiet")
    expect(tab.frame.locator("[data-state]")).to_contain_text("No signal.", use_inner_text=True)
    expect(markers(tab)).to_have_count(0)
    expect(tab.frame.locator(".verdict.raised")).to_have_count(0)


def test_the_mask_and_the_growth_on_training_batches_are_said_as_recorded(show, folder):
    found = assess(open_run(folder / "healthy"), context=False)
    tab = show("healthy")
    mask = tab.frame.get_by_role("region", name="Mask")
    expect(mask.locator('[data-mask="holds"]')).to_have_count(1)
    said = f"0 of {found.mask.pairs} forbidden pairs leak"
    assert said in mask.inner_text().replace("\u202f", "")
    [finding] = found.growth
    growth = tab.frame.get_by_role("region", name="Growth on training batches")
    expect(growth).to_contain_text(finding.sentence, use_inner_text=True)
    drawn = growth.locator(".growth-line").get_attribute("d")
    assert drawn.count("L") == len(finding.steps) - 1 >= 12
    expect(growth).to_contain_text("1 of 12", use_inner_text=True)  # how often the date was right


def test_probe_sets_that_differ_raise_a_warning_and_no_flag(show):
    tab = show("unbalanced")
    verdict = tab.frame.locator("[data-state]")
    expect(verdict).to_have_attribute("data-state", "unreliable")
    expect(verdict).to_contain_text("differ in share of unknown tokens", use_inner_text=True)
    expect(markers(tab)).to_have_count(0)


def test_without_training_probes_there_are_curves_and_no_flag(show):
    tab = show("alone")
    expect(tab.frame.locator("[data-state]")).to_have_text(
        re.compile("^No training sentences: no flag[.]"), use_inner_text=True
    )
    expect(chart(tab, "metric-0").locator(".line")).to_have_count(1)
    expect(markers(tab)).to_have_count(0)


@pytest.mark.parametrize("metric", ["row_entropy", "h1_life"])
def test_curves_of_both_probe_sets_print_the_means_that_open_run_gives(show, folder, metric):
    run = open_run(folder / "overfit")
    at = len(run.steps) // 2
    tab = show("overfit", step=run.steps[at], watch=metric)
    drawn = at_a(tab, "metric-0")
    for split, name in (("val", "validation"), ("train", "training")):
        values = run.probe_metrics((metric,), part="encoder", split=split)[at, ..., 0]
        truth = np.nanmean(np.nanmean(values, axis=(1, 2)))
        assert drawn[name] == pytest.approx(truth, abs=6e-4)
    bands = chart(tab, "metric-0").locator(".band")
    expect(bands).to_have_count(2)


def test_another_metric_and_a_single_head_are_chosen_and_kept_in_the_address(
    show, folder, server, open_tab
):
    run = open_run(folder / "overfit")
    tab = show("overfit", step=run.steps[-1])
    tab.frame.get_by_label("Metric of chart 1").select_option("sink")
    tab.frame.get_by_label("Heads whose metrics are drawn").select_option("1.2")
    unit = chart(tab, "metric-0").get_by_text("head L2 H3")
    unit.wait_for()
    truth = run.metric("sink", part="encoder", split="train")[-1, 1, 2]
    close = pytest.approx(truth, abs=6e-4)
    until_equal(tab, lambda: (at_a(tab, "metric-0")["training"], close))  # the curve follows
    tab.page.wait_for_function("() => /watch=sink/.test(location.hash)")
    other = open_tab(server, fragment=tab.page.evaluate("location.hash"))
    chart(other, "metric-0").get_by_text("head L2 H3").wait_for()
    until_equal(tab, lambda: (at_a(other, "metric-0"), at_a(tab, "metric-0")))


def test_a_click_on_a_chart_and_the_arrow_keys_select_the_step_without_moving_anything(
    show, folder
):
    run = open_run(folder / "overfit")
    tab = show("overfit")
    area = chart(tab, "output_entropy_gap").locator(".chart-hit")
    box = area.bounding_box()
    area.click(position={"x": 7, "y": box["height"] / 2})
    assert shown_step(tab) == run.steps[0]

    def places():
        return tab.frame.locator(".signals text").evaluate_all(
            "all => all.map(t => [t.getBoundingClientRect().x, t.getBoundingClientRect().y])"
        )

    before = places()
    tab.page.keyboard.press("ArrowRight")
    assert shown_step(tab) == run.steps[1]
    assert places() == before
    label = chart(tab, "loss").get_attribute("aria-label")
    assert re.match(r"Loss; validation 1\.\d\d at A", label)


def test_topology_of_both_sets_stands_against_the_loss_gap_with_the_finding_beside_it(show, folder):
    run = open_run(folder / "overfit")
    found = assess(run)
    topology = found.signal("topology_separation/encoder")
    tab = show("overfit", step=run.steps[-1])
    path = chart(tab, "topology-against-gap")
    gap = found.losses.val - found.losses.train
    expect(path.locator(".station")).to_have_count(int(np.isfinite(gap).sum()))
    path.locator(".chart-hit").scroll_into_view_if_needed()
    first = path.locator(".station").first.bounding_box()
    tab.page.mouse.click(first["x"] + 2, first["y"] + 2)
    assert shown_step(tab) == run.steps[int(np.flatnonzero(np.isfinite(gap))[0])]
    side = tab.frame.get_by_role("region", name="Context: raises no flag")
    expect(side.get_by_text(topology.trust, exact=True)).to_have_count(1)
    expect(side.get_by_text(topology.trust, exact=True)).to_be_visible()


def test_the_offline_page_shows_the_same_verdict_and_curves(show, folder, tmp_path, chromium):
    page = tmp_path / "run.html"
    command = ("export", str(folder / "overfit"), "-o", str(page), "--probes", "0")
    assert run_program(*command, module="attn_monitor.cli").returncode == 0
    tab = show("overfit", watch="sink")
    file = chromium.new_page()
    file.set_default_timeout(PATIENCE)
    file.goto(f"{page.as_uri()}{SIGNALS}&p.attn_monitor.watch=sink")
    verdict = file.locator("[data-state]")
    verdict.wait_for()
    said = tab.frame.locator("[data-state]")
    until_equal(tab, lambda: (verdict.inner_text(), said.inner_text()))
    values = file.locator('[data-chart="metric-0"] text.end-value')
    values.first.wait_for()
    drawn = chart(tab, "metric-0").locator("text.end-value")
    assert values.all_text_contents() == drawn.all_text_contents()
    file.close()


def test_what_is_on_screen_is_downloaded(show, folder):
    run = open_run(folder / "overfit")
    tab = show("overfit", watch="prev")
    with tab.page.expect_download() as caught:
        tab.frame.get_by_role("button", name="Download the numbers as CSV").click()
    rows = list(csv.DictReader(io.StringIO(caught.value.path().read_text())))
    drawn = [
        float(row["value"])
        for row in rows
        if row["chart"] == "Previous word" and row["curve"] == "training"
    ]
    truth = run.probe_metrics(("prev",), part="encoder", split="train")[..., 0]
    np.testing.assert_allclose(drawn, truth.mean(axis=(1, 2, 3)), rtol=1e-5)
    with tab.page.expect_download() as caught:
        tab.frame.get_by_role("button", name="Download the picture as SVG").click()
    picture = caught.value.path().read_text()
    assert "signal, epoch" in picture
    assert "Previous" in picture
