"""Answers while a run grows: what was read before is not read again, and nothing of it is old."""

import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from attn_monitor.store import RunWriter
from tb_plugin.server import step_piles

INFO = encoder_info(lengths=(5, 6))
QUESTIONS = {
    "over_time": {"part": "encoder", "layer": 1, "head": 2, "probe": 1},
    "curves": {"part": "encoder", "layer": 0},
}


def answers(tab):
    return {route: tab.get(route, run="a", **query).json for route, query in QUESTIONS.items()}


def close(answer):
    """The same answer, whose numbers are compared as two computations of them may be."""
    if isinstance(answer, dict):
        return {name: close(each) for name, each in answer.items()}
    if isinstance(answer, list):
        return [close(each) for each in answer]
    return pytest.approx(answer, rel=1e-6, abs=1e-9) if isinstance(answer, float) else answer


def test_a_tab_that_saw_earlier_steps_answers_as_a_new_one_and_reads_only_the_new(
    tmp_path, monkeypatch
):
    read = []
    real = step_piles.layer_of

    def counted(run, *, step, **where):
        read.append(step)
        return real(run, step=step, **where)

    monkeypatch.setattr(step_piles, "layer_of", counted)
    steps = [record(INFO, step) for step in range(70)]  # curves are remembered in blocks of 64
    write_run(tmp_path / "a", INFO, steps)
    tab = Tab(tmp_path)
    before = answers(tab)
    read.clear()
    with RunWriter(tmp_path / "a", INFO, resume_step=69) as writer:
        writer.write(record(INFO, 70))
        writer.write(record(INFO, 3, seed=1))  # written again
    now = answers(tab)
    assert set(read) == {3, 70}
    assert now == close(answers(Tab(tmp_path)))
    assert len(now["curves"]["steps"]) == len(before["curves"]["steps"]) + 1
    means = [each["curves"]["metrics"]["prev"]["val"]["mean"] for each in (before, now)]
    pairs = enumerate(zip(*means, strict=False))
    changed = [at for at, (one, other) in pairs if one != pytest.approx(other, rel=1e-6)]
    assert changed == [3]


def test_sentences_of_a_process_that_joins_late_are_in_all_curves(tmp_path):
    write_run(tmp_path / "a", INFO, [record(INFO, step) for step in range(70)])
    tab = Tab(tmp_path)
    answers(tab)
    later = encoder_info(lengths=(4, 7), first_index=2)
    with RunWriter(tmp_path / "a", later, rank=1) as writer:
        writer.write(record(later, 69))
    now = answers(tab)
    assert now == close(answers(Tab(tmp_path)))
    assert now["curves"]["metrics"]["prev"]["val"]["sentences"] > 1
