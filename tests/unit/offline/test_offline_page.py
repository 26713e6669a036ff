import hashlib
import re
import zlib
from base64 import b64decode, b64encode
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
from markers import write_run
from recordings import METRICS, encoder_info, record
from wsgi_tab import Tab

from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.core.errors import ConfigurationError
from tb_plugin.offline import Choice, export_run
from tb_plugin.offline.page import PageWriter, page_bytes, script
from tb_plugin.offline.questions import Question

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e&amp;'


class Page(HTMLParser):
    """A page as a browser's parser sees it: its tags, its answers, its code, its policy."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.answers, self.code, self.policy = [], {}, "", ""
        self._open = (None, {})
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._open = (tag, dict(attributes))
        if tag == "meta" and "http-equiv" in self._open[1]:
            self.policy = self._open[1]["content"]

    def handle_data(self, data):
        tag, attributes = self._open
        if tag == "script" and "data-question" in attributes:
            self.answers[attributes["data-question"]] = zlib.decompress(b64decode(data))
        elif tag == "script":
            self.code += data

    def handle_endtag(self, _tag):
        self._open = (None, {})


@pytest.fixture(scope="module")
def exported(recording, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "run.html"
    return export_run(recording, path), Page(path), path


def test_every_answer_in_the_page_is_the_one_the_server_gives(exported, tab):
    _, page, _ = exported
    assert {q.partition("?")[0] for q in page.answers} == {
        "index", "run", "metrics", "attention", "piles", "lens", "elbow", "over_time", "signals",
        "curves", "redundancy",
    }  # fmt: skip
    for question, content in page.answers.items():
        route, _, query = question.partition("?")
        asked = dict(parse_qsl(query))
        if route == "curves":  # a page holds all metrics, whichever are chosen
            asked["metrics"] = ",".join(metric.name for metric in METRICS)
        if route not in {"index", "run"}:
            assert content == tab.get(route, **asked).data, question


def test_it_holds_the_piles_of_the_cut_that_the_tab_opens_with(exported):
    _, page, _ = exported
    state = Path(__file__).parents[3] / "tb_plugin" / "frontend" / "src" / "state" / "view_state.ts"
    initial = state.read_text().partition("INITIAL_HEADS")[2]
    cut = round(1000 * float(re.search(r"cut: ([\d.]+)", initial)[1]))
    asked = [dict(parse_qsl(q)) for q in page.answers if q.startswith("over_time")]
    assert {question["cut"] for question in asked} == {str(cut)}


def test_the_page_describes_the_run_as_the_server_does_but_for_what_it_lacks(exported, tab):
    import json

    _, page, _ = exported
    here = json.loads(page.answers["run?run=exp%2Fversion_0"])
    there = tab.get("run", run="exp/version_0").json
    assert [step.pop("vectors") for step in here["steps"]] == [False, False, True]
    assert [step.pop("vectors") for step in there["steps"]] == [False, False, True]
    assert here == there
    assert json.loads(page.answers["index?"])["runs"] == tab.get("index").json["runs"]


def test_all_maps_of_all_parts_are_in_it_by_default(exported):
    done, page, path = exported
    assert done.size == path.stat().st_size
    assert sum(q.startswith("attention?") for q in page.answers) == 3 * 3 * 2
    assert done.unread == 0
    assert done.summary() == (
        f"{done.size / 1e6:.1f} MB, 2 sentences at 3 steps, HeadLens of 16 heads at step 20"
    )


def test_what_was_not_chosen_is_left_out_and_said(recording, tmp_path, tab):
    import json

    path = tmp_path / "some.html"
    choice = Choice(parts=("cross",), probes=((1, 1),), steps=((10, 20),), lenses=False)
    export_run(recording, path, choice=choice)
    page = Page(path)
    maps = [dict(parse_qsl(q.partition("?")[2])) for q in page.answers if q.startswith("attention")]
    assert [(q["step"], q["part"], q["probe"]) for q in maps] == [
        ("10", "cross", "1"),
        ("20", "cross", "1"),
    ]
    run = json.loads(page.answers["run?run=exp%2Fversion_0"])
    assert [part["name"] for part in run["parts"]] == ["cross"]
    assert [probe["index"] for probe in run["probes"]] == [1]
    assert [step["maps"] for step in run["steps"]] == [False, True, True]
    assert not any(step["vectors"] for step in run["steps"])
    assert run["problems"] == [
        "This file holds the maps of 1 of 2 sentences at 2 of 3 steps.",
        "Parts that are not in this file: encoder, decoder.",
    ]
    assert tab.get("run", run="exp/version_0").json["problems"] == []


def classifier(info, *, classes):
    """The description of a model with as many classes, and its recorded steps."""
    names = tuple(f"class {at}" for at in range(classes))
    info = replace(info, classes=ClassLayer(names=names, method="linear_mean"))

    def step(number, **options):
        random = np.random.default_rng(number)
        answers = {
            probe.index: ClassAnswer(
                scores=random.normal(size=classes).astype("f4"),
                contributions=random.normal(size=(len(probe.source.text), classes)).astype("f4"),
            )
            for probe in info.probes
        }
        return replace(record(info, number, **options), classes=answers)

    return info, step


def answers_of(page, *routes):
    """Questions of these routes as (route, parameters), with their answers."""
    asked = [(*question.split("?"), content) for question, content in page.answers.items()]
    return [(route, dict(parse_qsl(q)), content) for route, q, content in asked if route in routes]


def test_the_answers_to_sentences_are_in_it_at_every_step(tmp_path):
    info, step = classifier(encoder_info(), classes=3)
    write_run(tmp_path / "logs" / "run", info, [step(0), step(1)])
    done = export_run(str(tmp_path / "logs" / "run"), tmp_path / "run.html")
    found = answers_of(Page(tmp_path / "run.html"), "classes")
    assert [(q["step"], q["probe"]) for _, q, _ in found] == [
        (step, probe) for step in "01" for probe in "01"
    ]
    tab = Tab(tmp_path / "logs")
    assert all(tab.get(route, **asked).data == content for route, asked, content in found)
    assert done.unread == 0


def test_headlens_is_in_it_at_the_steps_that_were_asked_for(tmp_path):
    info = encoder_info(lengths=(9, 12), heads=2, count=1)
    steps = [record(info, step, vectors=step != 10) for step in (0, 10, 20, 30)]
    write_run(tmp_path / "logs" / "run", info, steps)
    run, path = str(tmp_path / "logs" / "run"), tmp_path / "run.html"
    done = export_run(run, path, choice=Choice(lens_steps=((0, 20),)))
    assert "HeadLens of 2 heads at 2 steps" in done.summary()
    assert done.excerpt.vectors == {0, 20}
    found = answers_of(Page(path), "lens", "elbow")
    heads = {(route, q["step"], q["head"]) for route, q, _ in found}
    assert heads == {(r, s, h) for r in ("lens", "elbow") for s in ("0", "20") for h in "01"}
    tab = Tab(tmp_path / "logs")
    assert all(tab.get(route, **asked).data == content for route, asked, content in found)
    with pytest.raises(ConfigurationError) as error:
        export_run(run, path, choice=Choice(lens_steps=((10, 10),)))
    wanted = "HeadLens at step 10 is not in this recording; it has 0, 20, 30"
    assert str(error.value) == wanted


@pytest.mark.parametrize("share", [0.999, 0.5, 0.25, 0.1])
@pytest.mark.parametrize("classes", [0, 30])
def test_the_file_stays_below_the_limit(tmp_path, share, classes):
    info = encoder_info(lengths=tuple(range(30, 70, 4)), heads=8, count=4)
    run = tmp_path / "run"
    if classes:
        info, step = classifier(info, classes=classes)
        write_run(run, info, [step(at) for at in range(5)])
    else:
        write_run(run, info, [record(info, at) for at in range(5)])
    choice = Choice(lenses=False)
    whole = export_run(str(run), tmp_path / "whole.html", choice=choice)
    limit = len(script()) + share * (whole.size - len(script()))
    some = export_run(str(run), tmp_path / "some.html", choice=choice, max_mb=limit / 1e6)
    assert some.size == (tmp_path / "some.html").stat().st_size <= limit
    assert some.excerpt.notes
    assert len(some.excerpt.probes) >= 4 or len(some.excerpt.maps) < 5


def test_nothing_that_was_recorded_reaches_the_markup(tmp_path):
    info = encoder_info()
    write_run(tmp_path / "run", info, [record(info, 1)])
    export_run(str(tmp_path / "run"), tmp_path / "page.html", name=HOSTILE)
    page = Page(tmp_path / "page.html")
    assert set(page.tags) == {"html", "head", "meta", "title", "body", "noscript", "script"}
    assert page.tags.count("script") == len(page.answers) + 1
    asked = next(q for q in page.answers if q.startswith("run?"))
    assert dict(parse_qsl(asked.partition("?")[2])) == {"run": HOSTILE}


def test_the_policy_allows_the_pages_own_script_and_no_address_anywhere(exported):
    _, page, _ = exported
    digest = b64encode(hashlib.sha256(page.code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page.policy
    assert page.policy.startswith("default-src 'none';")
    assert not re.search(r"https?:|\*|'self'", page.policy)


def test_code_cannot_end_its_own_element(tmp_path):
    (tmp_path / "offline.js").write_text('a = "</script><!--"')
    assert script(tmp_path) == b'a = "<\\/script><\\!--"'


def test_an_installation_without_the_front_end_says_so(tmp_path):
    with pytest.raises(ConfigurationError, match=r"front end is missing .*reinstall attn-monitor"):
        script(tmp_path)


def test_an_answer_never_takes_more_than_was_reckoned():
    for count in (0, 1, 100, 100_000):
        page = PageWriter(BytesIO(), b"")
        before = page.size
        noise = hashlib.shake_256(b"noise").digest(count)
        page.answer(Question(route="attention", parameters={"run": "r" * 40}), noise)
        assert page.size - before <= page_bytes(count)


def test_a_failed_export_leaves_the_earlier_file_alone(recording, tmp_path):
    path = tmp_path / "run.html"
    path.write_text("earlier")
    with pytest.raises(ConfigurationError, match=r"raise --max-mb"):
        export_run(recording, path, max_mb=0.1)
    assert [p.name for p in tmp_path.iterdir()] == ["run.html"]
    assert path.read_text() == "earlier"


def test_a_file_that_cannot_be_written_is_an_error_of_ours(recording, tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot be written: No such file or directory"):
        export_run(recording, tmp_path / "missing" / "run.html")
