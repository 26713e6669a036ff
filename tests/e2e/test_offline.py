"""One HTML file of a run, opened from a disk: the same tab, the same numbers, no request."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from attn_monitor import open_run
from tests.e2e.conftest import Tab
from tests.e2e.hands import until_equal
from tests.odd_recordings import HOSTILE, record_hostile_run
from tests.programs import run_program

FIRST = "#attn_monitor&p.attn_monitor.probe=0"
FAINT_LINKS = f"{FIRST}&p.attn_monitor.layers=" + ",".join(f"{i}:shv0.02" for i in range(6))


class File(Tab):
    """The page itself is the tab: there is no frame around it."""

    def __init__(self, browser, path, *, fragment="#attn_monitor"):
        super().__init__(browser, Path(path).as_uri(), fragment=fragment)
        self.frame = self.page

    def requested(self):
        """Everything asked for but the file itself and what lies inside it."""
        return [u for u in self.requests if not u.startswith((self.url, "data:", "blob:"))]


@pytest.fixture
def open_file(chromium):
    files = []

    def open_(path, **options):
        files.append(File(chromium, path, **options))
        return files[-1]

    yield open_
    for file in files:
        assert file.requested() == []
        assert file.complaints == []
        file.close()


def export(run, output, *options):
    done = run_program("export", str(run), "-o", str(output), *options, module="attn_monitor.cli")
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def recording(logdir):
    return open_run(logdir / "airline" / "version_0")


@pytest.fixture(scope="module")
def exported(logdir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("offline")
    options = ("--probes", "0:3,16")
    return export(logdir / "airline" / "version_0", folder / "run ü#1.html", *options)


@pytest.fixture
def file(exported, open_file):
    return open_file(exported, fragment=FAINT_LINKS).wait_until_drawn()


def button(file, name):
    return file.page.get_by_role("button", name=name, exact=True)


def slider(file):
    return file.page.get_by_role("slider", name="Training step")


def strongest_link(file, layer):
    links = file.page.get_by_role("group", name=f"Links of layer {layer + 1}").locator("path")
    rows = links.evaluate_all(
        "all => all.filter(p => p.dataset.weight).map(p => "
        "[+p.dataset.query, +p.dataset.key, +p.dataset.weight])"
    )
    query, key, weight = max(rows, key=lambda row: row[2])
    return int(query), int(key), weight


def test_the_slider_shows_at_every_step_what_was_recorded(file, recording):
    slider(file).press("Home")
    for at, step in enumerate(recording.steps):
        if at:
            slider(file).press("ArrowRight")
        expect(slider(file)).to_have_attribute("aria-valuenow", str(step))
        mean = recording.attention(step=step, probe=0, part="encoder", layer=2).mean(0)

        def drawn_and_recorded(mean=mean):
            query, key, weight = strongest_link(file, 2)
            return weight, pytest.approx(mean[query, key], abs=1e-6)

        until_equal(file, drawn_and_recorded)


def test_every_view_works_from_the_file(file):
    button(file, "Heads").click()
    file.page.get_by_role("main").locator("svg path").first.wait_for(state="attached")
    file.page.locator(".strip-count").get_by_text(re.compile(r"\d+ pile")).wait_for()
    button(file, "Graph").click()
    file.page.get_by_role("main").locator("canvas, svg").first.wait_for()
    button(file, "Network").click()
    file.page.get_by_role("group", name="Layer 3", exact=True).get_by_role(
        "button", name="Piles"
    ).click()
    file.page.get_by_label(re.compile("Pile distance.*layer 3", re.I)).wait_for()


def test_the_answer_to_a_sentence_is_shown_at_every_step(exported, open_file, recording):
    file = open_file(exported, fragment=f"{FIRST}&p.attn_monitor.view=graph")
    slider(file).press("Home")
    for at, step in enumerate(recording.steps):
        if at:
            slider(file).press("ArrowRight")
        scores = recording.class_answer(step=step, probe=0).scores
        chances = np.exp(scores) / np.exp(scores).sum()
        best = f"{recording.classes.names[int(chances.argmax())]}, {round(100 * chances.max())}"
        options = file.page.get_by_label("Class", exact=True).locator("option")
        options.filter(has_text=best).wait_for(state="attached")


def test_headlens_opens_at_the_last_step_and_says_where_it_cannot(exported, open_file):
    file = open_file(exported, fragment="#attn_monitor&p.attn_monitor.lens=1.3~16r")
    drawer = file.page.get_by_role("region", name=re.compile("HeadLens of"))
    drawer.locator("svg, canvas").first.wait_for()
    slider(file).press("Home")
    drawer.get_by_text("HeadLens of this head at this step").wait_for()
    expect(drawer).to_contain_text("is not in this file", use_inner_text=True)


def test_only_the_sentences_that_were_asked_for_are_offered(file):
    probes = file.page.get_by_role("region", name="Probe sentences").get_by_role("button")
    expect(probes).to_have_count(5)
    expect(file.page.get_by_text("This file holds the maps of 5 of 32 sentences")).to_have_count(1)


def test_a_picture_can_be_saved_from_the_file(file):
    with file.page.expect_download() as download:
        button(file, "Download the picture as PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_the_address_of_the_file_restores_the_view(file, exported, open_file, recording):
    slider(file).press("Home")
    file.page.wait_for_function("() => /step=0(&|$)/.test(location.hash)")
    again = open_file(exported, fragment=file.page.evaluate("location.hash")).wait_until_drawn()
    expect(slider(again)).to_have_attribute("aria-valuenow", str(recording.steps[0]))


def test_dark_and_light_follow_the_system(file):
    grounds = []
    for scheme in ("dark", "light"):
        file.page.emulate_media(color_scheme=scheme)
        file.page.locator(f'html[data-theme="{scheme}"]').wait_for()
        colour = file.page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(int(n) for n in re.findall(r"\d+", colour)[:3]))
    assert grounds[0] < 200
    assert grounds[1] > 700


def test_hostile_tokens_and_names_cannot_break_out_of_the_file(tmp_path, open_file):
    record_hostile_run(tmp_path / "run")
    name = f"</script>{HOSTILE}"
    path = export(tmp_path / "run", tmp_path / "run.html", "--name", name)
    file = open_file(path).wait_until_drawn()
    expect(file.page.locator("img")).to_have_count(0)
    expect(file.page.get_by_text(HOSTILE, exact=False).first).to_be_attached()
    expect(file.page.get_by_role("region", name="Runs").get_by_text(name)).to_have_count(1)
