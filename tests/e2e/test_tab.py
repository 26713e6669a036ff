"""A person's first minutes with the tab: slider, modes, bars, links, keys, a shared address."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from attn_monitor import open_run
from tests.e2e.conftest import serve, start_training
from tests.e2e.hands import (
    choose_run,
    order_of_maps,
    point_at_bar,
    shown_step,
    slider,
    until_equal,
)
from tests.odd_recordings import HOSTILE, record_hostile_run, record_steps

MODES = {
    "fast loading": ("--load_fast=true",),
    "slow loading": ("--load_fast=false",),
    "behind a path": ("--load_fast=false", "--path_prefix=/pre/fix"),
}


@pytest.fixture(scope="module")
def recording(logdir):
    return open_run(logdir / "airline" / "version_0")


@pytest.fixture(scope="module")
def server(logdir):
    with serve(logdir) as url:
        yield url


# Barely trained heads spread their attention: nearly every link is weaker than the usual 0.1.
FAINT_LINKS = "#attn_monitor&p.attn_monitor.probe=0&p.attn_monitor.layers=" + ",".join(
    f"{i}:shv0.02" for i in range(6)
)


@pytest.fixture
def tab(server, open_tab):
    return open_tab(server, fragment=FAINT_LINKS).wait_until_drawn()


def strongest_link(tab, layer):
    """The (query, key, weight) that the drawn links of a layer say is the largest."""
    links = tab.frame.get_by_role("group", name=f"Links of layer {layer + 1}").locator("path")
    links.first.wait_for()
    rows = links.evaluate_all(
        "all => all.filter(p => p.dataset.weight).map(p => "
        "[+p.dataset.query, +p.dataset.key, +p.dataset.weight])"
    )
    query, key, weight = max(rows, key=lambda row: row[2])
    return int(query), int(key), weight


@pytest.mark.parametrize("flags", MODES.values(), ids=MODES.keys())
def test_the_tab_shows_the_recording_however_tensorboard_loads_it(logdir, open_tab, flags):
    with serve(logdir, *flags) as url:
        tab = open_tab(url, fragment=FAINT_LINKS).wait_until_drawn()
        runs = tab.frame.get_by_role("region", name="Runs").get_by_role("button")
        assert "version_0" in " ".join(runs.all_inner_texts())
        choose_run(tab, "airline/version_1 ")
        run = open_run(logdir / "airline" / "version_1")
        assert shown_step(tab) == run.steps[-1]
        query, key, weight = strongest_link(tab, 0)
        seen = run.attention(step=run.steps[-1], probe=0, part="encoder", layer=0)
        assert weight == pytest.approx(seen.mean(0)[query, key], abs=1e-6)
        assert tab.strangers() == []


def test_a_links_weight_is_the_mean_over_heads_at_every_step_of_the_slider(tab, recording):
    choose_run(tab, "airline/version_0 ")
    box = slider(tab).bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    tab.page.mouse.down()
    seen = set()
    for part in np.linspace(0.99, 0.01, 25):
        tab.page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2)
        seen.add(shown_step(tab))
    tab.page.mouse.up()
    assert seen == set(recording.steps)
    for step in recording.steps:
        slider(tab).press("ArrowRight" if step else "Home")
        assert shown_step(tab) == step
        mean = recording.attention(step=step, probe=0, part="encoder", layer=2).mean(0)

        def drawn_and_recorded(mean=mean):
            query, key, weight = strongest_link(tab, 2)
            return weight, pytest.approx(mean[query, key], abs=1e-6)

        until_equal(tab, drawn_and_recorded)


def test_a_layer_switches_to_maps_and_sorts_its_heads(tab, recording):
    choose_run(tab, "airline/version_0 ")
    layer = tab.frame.get_by_role("group", name="Layer 3", exact=True)
    layer.get_by_role("button", name="Maps").click()
    maps = tab.frame.locator('canvas.heat[data-layer="2"]')
    maps.first.wait_for()
    expect(maps).to_have_count(8)

    assert order_of_maps(tab, 2) == list(range(8))
    values = recording.metric_values(part="encoder", probe=0)[-1, 2]
    names = [spec.name for spec in recording.metrics]
    for button, metric in (("Entropy", "col_entropy"), ("Position", "lean")):
        layer.get_by_role("button", name=button).click()
        expected = np.argsort(values[:, names.index(metric)], kind="stable")
        assert order_of_maps(tab, 2) == expected.tolist()


def test_hovering_a_bar_shows_that_heads_map_and_its_value_is_the_column_sum(tab, recording):
    choose_run(tab, "airline/version_0 ")
    point_at_bar(tab, layer=1, head=3, token=1, heads=8)
    bar = tab.frame.locator('.bar-slot[data-layer="1"][data-head="3"][data-token="1"]')
    maps = recording.attention(step=recording.steps[-1], probe=0, part="encoder", layer=1)
    share = maps[3].sum(0)[1] / maps.shape[1]
    close = pytest.approx(share, abs=1e-6)
    until_equal(tab, lambda: (float(bar.get_attribute("data-value")), close))
    popup = tab.frame.get_by_role("dialog", name=re.compile("Layer 2.*head 4"))
    popup.wait_for()
    for token in recording.probes[0].source.text:
        expect(popup).to_contain_text(token[:6], use_inner_text=True)


def test_the_link_threshold_hides_links_and_says_how_many(tab):
    count = tab.frame.get_by_text(re.compile(r"\d+ of \d+ links")).first
    count.wait_for()

    def shown():
        return int(re.search(r"(\d+) of", count.text_content()).group(1))

    before = shown()
    threshold = tab.frame.get_by_label("Link threshold of layer 1")
    threshold.focus()
    for _ in range(12):
        threshold.press("ArrowRight")
    assert shown() < before


def test_arrow_keys_and_play_move_through_every_recorded_step(tab, recording):
    choose_run(tab, "airline/version_0 ")
    tab.page.keyboard.press("Escape")
    slider(tab).focus()
    seen = [shown_step(tab)]
    for _ in recording.steps[1:]:
        tab.page.keyboard.press("ArrowLeft")
        seen.append(shown_step(tab))
    assert seen == list(recording.steps)[::-1]
    tab.frame.get_by_role("button", name="Play").click()
    until_equal(tab, lambda: (shown_step(tab), recording.steps[-1]))


def test_a_second_page_restores_the_view_from_its_address(tab, server, open_tab, recording):
    choose_run(tab, "airline/version_1 ")
    tab.frame.get_by_role("group", name="Layer 2", exact=True).get_by_role(
        "button", name="Maps"
    ).click()
    probes = tab.frame.get_by_role("region", name="Probe sentences").get_by_role("button")
    probes.nth(5).click()
    slider(tab).focus()
    tab.page.keyboard.press("Home")
    tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_function(f"() => /step={recording.steps[1]}(&|$)/.test(location.hash)")
    fragment = tab.page.evaluate("location.hash")
    other = open_tab(server, fragment=fragment).wait_until_drawn()
    assert shown_step(other) == recording.steps[1]
    expect(other.frame.locator('canvas.heat[data-layer="1"]')).to_have_count(8)
    again = other.frame.get_by_role("region", name="Probe sentences").get_by_role("button")
    expect(again.nth(5)).to_have_attribute("aria-pressed", "true")


def test_a_click_is_not_undone_when_another_part_of_the_address_changes(tab):
    tab.frame.get_by_role("button", name="Pin B here").click()
    # TensorBoard says that the address changed before the click was written into it. All in one
    # task of the page: while B loads, the button cannot be pressed.
    tab.page.wait_for_function(
        """change => {
            const tab = document.querySelector("iframe").contentDocument;
            const button = [...tab.querySelectorAll("button:enabled")].find(
                ({ textContent }) => textContent === change,
            );
            button?.click();
            dispatchEvent(new HashChangeEvent("hashchange"));
            return button !== undefined;
        }""",
        arg="A \N{MINUS SIGN} B",
    )
    tab.page.wait_for_url("**show=diff**")


def test_a_frame_that_is_loaded_anew_leaves_nothing_that_listens_to_the_page_around_it(
    server, open_tab
):
    tab = open_tab(server, fragment=FAINT_LINKS).wait_until_drawn()
    tab.page.evaluate(
        """() => {
            window.heard = new Set();
            const acts = { addEventListener: "add", removeEventListener: "delete" };
            for (const [name, act] of Object.entries(acts)) {
                const own = window[name];
                window[name] = (kind, listener, ...rest) => {
                    if (kind === "hashchange") heard[act](listener);
                    return own.call(window, kind, listener, ...rest);
                };
            }
        }"""
    )
    for _ in range(3):
        tab.open_again(FAINT_LINKS)
        tab.wait_until_drawn()
    assert tab.page.evaluate("heard.size") == 1


def test_new_epochs_appear_in_the_open_tab_without_reloading(tmp_path, open_tab):
    logs = tmp_path / "logs"
    logs.mkdir()
    with serve(logs) as url:
        training = start_training(logs, epochs=8, limit=800)
        tab = open_tab(url).wait_until_drawn()
        newest = int(slider(tab).get_attribute("aria-valuemax"))
        tab.page.wait_for_function(
            "was => +document.querySelector('iframe').contentDocument"
            ".querySelector('[role=slider]').getAttribute('aria-valuemax') > was",
            arg=newest,
        )
        # It stood on the newest step, so it follows.
        assert shown_step(tab) > newest
        assert len([u for u in tab.requests if u.split("#")[0] == url]) == 1
        training.stop()


def test_dark_and_light_follow_tensorboard(server, open_tab):
    dark = open_tab(server, query="?darkMode=true").wait_until_drawn()
    light = open_tab(server, query="?darkMode=false").wait_until_drawn()

    def ground(tab):
        color = tab.frame.locator("body").evaluate("b => getComputedStyle(b).backgroundColor")
        return sum(int(n) for n in re.findall(r"\d+", color)[:3])

    assert ground(dark) < 200
    assert ground(light) > 700


def test_hostile_tokens_and_names_are_shown_as_text(tmp_path, open_tab):
    record_hostile_run(tmp_path / "logs" / "<b>run")
    with serve(tmp_path / "logs") as url:
        tab = open_tab(url).wait_until_drawn()
        expect(tab.frame.locator("img")).to_have_count(0)
        expect(tab.frame.get_by_text(HOSTILE, exact=False).first).to_be_attached()


def test_three_hundred_recorded_steps_give_three_hundred_ticks(tmp_path, open_tab):
    steps = range(0, 6000, 20)
    record_steps(tmp_path / "logs" / "long", steps)
    with serve(tmp_path / "logs", "--load_fast=false") as url:
        tab = open_tab(url).wait_until_drawn()
        expect(tab.frame.locator(".step-slider .tick")).to_have_count(300)
        slider(tab).focus()
        for key, step in (("Home", 0), ("ArrowRight", 20), ("End", 5980), ("ArrowLeft", 5960)):
            tab.page.keyboard.press(key)
            assert shown_step(tab) == step
