"""What a notebook's kernel answers, and what a cell shows where there is no widget."""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from recordings import encoder_info, record

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.store import RunWriter, open_run
from tb_plugin.notebook import show
from tb_plugin.notebook.answers import Answers
from tb_plugin.offline import export_run
from tests.unit.offline.test_offline_page import Page


@pytest.fixture
def writer(tmp_path):
    info = encoder_info(lengths=(5, 7))
    with RunWriter(tmp_path / "run", info) as writing:
        writing.write(record(info, 0))
        yield lambda step: writing.write(record(info, step))


@pytest.mark.usefixtures("writer")
def test_the_kernel_answers_every_question_as_the_offline_page_does(tmp_path):
    export_run(str(tmp_path / "run"), tmp_path / "page.html")
    answers = Answers(open_run(tmp_path / "run"), "run")
    asked = Page(tmp_path / "page.html").answers
    assert len(asked) >= 18
    before = torch.random.get_rng_state(), np.random.get_state()[1:3]
    for question, wanted in asked.items():
        packed, message = answers.reply(question)
        assert message is None, question
        assert zlib.decompress(packed) == wanted, question
    # Answered beside a training, in its process.
    assert torch.equal(torch.random.get_rng_state(), before[0])
    np.testing.assert_equal(np.random.get_state()[1:3], before[1])


def test_what_is_recorded_later_is_seen_and_the_callers_run_stays_as_it_is(writer, tmp_path):
    run = open_run(tmp_path / "run")
    answers = Answers(run, "run")
    writer(10)
    [entry] = json.loads(zlib.decompress(answers.reply("index")[0]))["runs"]
    assert entry["steps"] == 2
    assert answers.reply("attention?run=run&step=10&part=encoder&probe=0")[1] is None
    assert run.steps == (0,)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("run", "parameter 'run' is missing"),
        ("attention?run=run&step=7&part=encoder&probe=0", "step 7 is not recorded"),
        ("attention?run=run&step=x&part=encoder&probe=0", "whole number"),
        ("../../etc/passwd", "there is no question"),
        (None, "a question is text, got NoneType"),
        ({"a": 1}, "a question is text, got dict"),
    ],
)
@pytest.mark.usefixtures("writer")
def test_what_cannot_be_answered_is_said(question, said, tmp_path):
    packed, message = Answers(open_run(tmp_path / "run"), "run").reply(question)
    assert packed is None
    assert said in message


@pytest.mark.usefixtures("writer")
def test_without_the_widget_a_cell_shows_the_page_in_a_frame(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)  # as where the extra is not installed
    monkeypatch.delitem(sys.modules, "tb_plugin.notebook.widget", raising=False)
    shown = open_run(tmp_path / "run").show(height=500)._repr_html_()
    assert shown.isascii()
    assert 'sandbox="allow-scripts allow-downloads"' in shown
    assert "height: 500px" in shown
    assert "data-question=&quot;attention?" in shown


@pytest.mark.usefixtures("writer")
def test_a_height_that_cannot_work_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="at least 200 pixels, got 20"):
        show(open_run(tmp_path / "run"), height=20)


@pytest.mark.usefixtures("writer")
def test_the_widget_answers_whoever_asked_and_keeps_nothing_in_the_notebook(tmp_path):
    pytest.importorskip("anywidget")
    widget = open_run(tmp_path / "run").show(height=600)
    sent = []
    widget.send = lambda content, buffers: sent.append((content, buffers))
    for question in ("index", "nothing"):
        widget._handle_custom_msg({"to": "me", "id": 7, "question": question}, [])
    widget._handle_custom_msg("nonsense", [])
    (told, [packed]), (refused, nothing) = sent
    assert (told["to"], told["id"]) == ("me", 7)
    assert json.loads(zlib.decompress(packed))["runs"]
    assert "there is no question" in refused["message"]
    assert nothing == []
    kept = widget.get_state()
    assert kept["height"] == 600
    assert len(str(kept)) < 10_000
    assert str(Path(tmp_path)) not in str(kept)
