"""What a watch says of each step as it comes is what the whole assessment says of it."""

import tempfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from recordings import encoder, record

from attn_monitor.core.nouns import MetricSpec, Probe, Tokens
from attn_monitor.signals import Watch, assess, newest
from attn_monitor.signals.some_steps import SomeSteps
from attn_monitor.store import RunInfo, RunWriter, open_run

PROBES = 9  # a side
NAMES = ("row_entropy", "logit_max")
OUTPUTS = ("output_entropy", "hidden_norm")


def spec(name):
    return MetricSpec(name=name, title=name, unit="", low=0.0, high=None, reading="")


def write(folder, outputs, metrics, *, longer=0):
    """Record ``outputs`` [step, probe, statistic] and ``metrics`` [step, probe, head, metric]."""
    words = ("the", "words", "of", "it")
    probes = [
        Probe(
            index=at,
            split="val" if at < PROBES else "train",
            source=Tokens(text=words * (1 + (longer if at < PROBES else 0))),
        )
        for at in range(2 * PROBES)
    ]
    info = RunInfo(
        parts=(encoder(1, 2),),
        probes=tuple(probes),
        metrics=tuple(spec(name) for name in NAMES),
        outputs=tuple(spec(name) for name in OUTPUTS),
        uniform={},
    )
    with RunWriter(folder, info) as writer:
        for at, (answers, measured) in enumerate(zip(outputs, metrics, strict=True)):
            step = replace(
                record(info, 3 * at, epoch=at),
                metrics={"encoder": measured[:, None]},
                outputs=answers,
            )
            writer.write(step)
    return open_run(folder)


@st.composite
def trainings(draw):
    """Models that begin and stop to memorise, to collapse and to grow, with gaps in the record."""
    steps = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def phases(*levels):
        return np.array(draw(st.lists(st.sampled_from(levels), min_size=steps, max_size=steps)))

    outputs = rng.normal(0.8, 0.02, (1, 2 * PROBES, 2)) + rng.normal(
        0, 0.02, (steps, 2 * PROBES, 2)
    )
    outputs[:, PROBES:, 0] -= phases(0.0, 0.0, 0.3)[:, None]
    outputs[:, PROBES:, 1] += phases(0.0, 0.3)[:, None]
    for kind in draw(st.lists(st.sampled_from(["probe", "step", "begin"]), max_size=3)):
        at = draw(st.integers(0, steps - 1))
        probe, statistic = draw(st.integers(0, 2 * PROBES - 1)), draw(st.integers(0, 1))
        if kind == "probe":
            outputs[:at, probe, statistic] = np.nan
        elif kind == "step":
            outputs[at, probe, statistic] = np.nan
        else:
            outputs[:at, :, statistic] = np.nan
    metrics = np.empty((steps, 2 * PROBES, 2, 2))
    metrics[..., 0] = phases(0.8, 0.6, 0.25, 0.01)[:, None, None]
    metrics[..., 1] = phases(3.0, 8.0, 60.0)[:, None, None]
    return outputs, metrics, draw(st.sampled_from([0, 0, 1]))


def spoken(signal):
    return signal.name, signal.fired, signal.sentence, signal.suppressed


@settings(max_examples=20, deadline=None, phases=[Phase.generate])  # shrinking takes minutes
@given(trainings())
def test_every_step_is_told_as_the_whole_assessment_tells_it(training):
    outputs, metrics, longer = training
    with tempfile.TemporaryDirectory() as folder:
        run = write(folder, outputs, metrics, longer=longer)
        watch = Watch()
        for end in range(1, len(run.steps) + 1):
            so_far = SomeSteps(run, run.steps[:end])
            whole = assess(so_far, context=False).signals
            found = watch(so_far)
            shown = [signal for signal in whole if signal.panel == "outputs"]
            assert [s.name for s in found.outputs] == [s.name for s in shown]
            for one, other in zip(found.outputs, shown, strict=True):
                np.testing.assert_allclose(one.value, other.value, rtol=1e-12)
                np.testing.assert_array_equal(one.p, other.p)
            now = [spoken(signal) for signal in whole if signal.fired == so_far.steps[-1]]
            assert [spoken(signal) for signal in found.fired] == now


def memorising(steps=12, *, since=4):
    rng = np.random.default_rng(0)
    outputs = rng.normal(0.8, 0.02, (steps, 2 * PROBES, 2))
    outputs[since:, PROBES:, 0] -= 0.3
    metrics = np.broadcast_to([0.8, 3.0], (steps, 2 * PROBES, 2, 2))
    return outputs, metrics


@pytest.mark.parametrize("longer", [0, 2])
def test_the_whole_run_is_assessed_only_where_something_fires(tmp_path, monkeypatch, longer):
    run = write(tmp_path, *memorising(), longer=longer)
    assessed = []
    monkeypatch.setattr(
        newest, "assess", lambda run, **kw: assessed.append(run.steps[-1]) or assess(run, **kw)
    )
    watch, told = Watch(), []
    for end in range(1, len(run.steps) + 1):
        told += [s.name for s in watch(SomeSteps(run, run.steps[:end])).fired]
    # Probe sets that differ are told of at the first step and suppress the flag ever after.
    assert told == (["probe_balance"] if longer else ["output_entropy_gap"])
    assert assessed == ([0] if longer else [15])


def test_a_step_reads_few_others_however_many_came_before(tmp_path, monkeypatch):
    run = write(tmp_path, *memorising(30, since=40))
    watch, read = Watch(), []
    outputs = type(run).outputs

    def counted(self, name, *, split="val", steps=None):
        read.append(len(self.steps if steps is None else steps))
        return outputs(self, name, split=split, steps=steps)

    monkeypatch.setattr(type(run), "outputs", counted)
    watch(run)
    assert max(read) == 30  # a resumed run is looked at once as a whole
    for end in (28, 29, 30):
        read.clear()
        watch(SomeSteps(run, run.steps[:end]))
        assert max(read) <= 3


def test_what_fired_before_a_resume_is_not_told_again(tmp_path):
    run = write(tmp_path, *memorising())
    watch = Watch()
    for end in (9, 10, 11, 12):
        assert watch(SomeSteps(run, run.steps[:end])).fired == ()


def test_steps_that_were_missed_are_looked_at_later(tmp_path):
    outputs, metrics = memorising(10)
    outputs[:6, 0, 0] = np.nan  # this probe's first value comes at a step that is missed
    outputs[8:, 0, 0] = np.nan
    run = write(tmp_path, outputs, metrics)
    watch = Watch()
    for end in (1, 2, 10):
        so_far = SomeSteps(run, run.steps[:end])
        found = watch(so_far).outputs[0]
        whole = assess(so_far, context=False).signal("output_entropy_gap")
        np.testing.assert_array_equal([found.p, found.value], [whole.p, whole.value])


@pytest.mark.parametrize("seen", ["once", "in turn"])
def test_probes_that_lack_values_at_times_count_as_in_the_whole_recording(tmp_path, seen):
    outputs, metrics = memorising(10)
    if seen == "once":  # after a resume the first probe has one value, and never again
        outputs[0] = outputs[2:, 0] = outputs[1, 1] = np.nan
    else:  # the third step is the first that has all values
        outputs[0, 0] = outputs[1, 1] = np.nan
    run = write(tmp_path, outputs, metrics)
    watch = Watch()
    for end in range(1, 11):
        so_far = SomeSteps(run, run.steps[:end])
        found = [(s.name, s.value, s.p) for s in watch(so_far).outputs]
        whole = assess(so_far, context=False).signals
        expected = [(s.name, s.value, s.p) for s in whole if s.panel == "outputs"]
        np.testing.assert_equal(found, expected)
