"""A real training that memorises: what on_signal is told, and what TensorBoard shows of it."""

import warnings

import lightning as L
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from attn_monitor import AttentionMonitor, AttentionRecorder, open_run
from attn_monitor.monitor.failures import AttentionMonitorWarning
from attn_monitor.signals import assess
from tests.tiny_lightning import Sentences, Tiny, collate, trainer, words


class Guesses(Sentences):
    """Sentences whose labels are coin flips: nothing can be learned, only remembered."""

    def __init__(self, count, seed):
        super().__init__(count, seed)
        coins = torch.randint(0, 2, (count,), generator=torch.Generator().manual_seed(seed))
        self.rows = [(ids, int(coin)) for (ids, _), coin in zip(self.rows, coins, strict=True)]


class Remembers(Tiny):
    """Certain of every sentence it was trained on, and of no other."""

    def __init__(self):
        super().__init__()
        self.known = set()

    def on_train_batch_end(self, _outputs, batch, _index):
        # Not before the optimizer step: step 0 is the model that has learned nothing.
        self.known |= {tuple(row) for row in sentences(batch[0])}

    def forward(self, ids):
        scores = super().forward(ids)
        remembered = torch.tensor([[tuple(row) in self.known] for row in sentences(ids)])
        certain = torch.tensor([4.0, 0.0]) * remembered
        return certain + scores * torch.where(remembered, 1.0, 0.01)


def sentences(ids):
    return [row[row != 0].tolist() for row in ids]


def loaders():
    return (
        DataLoader(Guesses(48, 1), 8, shuffle=True, collate_fn=collate),
        DataLoader(Guesses(48, 2), 48, collate_fn=collate),
    )


def fit(root, *, epochs=5, stop=False, on_signal=None):
    L.seed_everything(3, verbose=False)
    told = []

    def tell(signal):
        told.append(signal)
        run.should_stop |= stop and signal.kind == "flag"

    monitor = AttentionMonitor(
        probes=24,
        train_probes=24,
        lens_sentences=0,
        tokens=words,
        log_images=False,
        on_signal=on_signal or tell,
    )
    run = trainer(root, monitor, epochs=epochs)
    run.fit(Remembers(), *loaders())
    return run, told, monitor


@pytest.fixture(scope="module")
def memorised(tmp_path_factory):
    """A training that was told, and went on to its end."""
    return fit(tmp_path_factory.mktemp("memorised"))


def test_the_flag_is_told_once_at_the_step_it_fires_and_is_what_the_recording_says(memorised):
    run, told, monitor = memorised
    assert monitor.failures.count == 0
    flags = [signal for signal in told if signal.kind == "flag"]
    assert len(flags) == 1
    recording = assess(open_run(run.logger.log_dir))
    assert recording.state == "fired"
    assert flags[0].fired == recording.signal("output_entropy_gap").fired
    assert 0 < flags[0].fired < run.global_step
    assert len({signal.name for signal in told}) == len(told)


def test_a_user_may_stop_when_it_fires(tmp_path):
    run, told, _ = fit(tmp_path, epochs=40, stop=True)
    [flag] = [signal for signal in told if signal.kind == "flag"]
    assert flag.fired <= run.global_step < 40 * 6
    assert run.should_stop


def test_a_plain_loop_is_told_as_well(tmp_path):
    told, model = [], Remembers()
    train, val = loaders()
    with AttentionRecorder(
        model,
        val,
        train_batches=train,
        log_dir=tmp_path,
        tokens=words,
        probes=24,
        train_probes=24,
        log_scalars=False,
        on_signal=told.append,
    ) as recorder:
        recorder.record(step=0, epoch=0)
        model.known = {tuple(row) for ids, _ in train for row in sentences(ids)}
        for step in (1, 2, 3):
            recorder.record(step=step, epoch=step)
    assert recorder.failures.count == 0
    # Two steps in a row with p <= 0.001 are the rule.
    assert [(signal.kind, signal.fired) for signal in told] == [("flag", 2)]


def test_values_and_p_values_are_scalars(memorised):
    run, told, _ = memorised
    events = EventAccumulator(run.logger.log_dir)
    events.Reload()
    values = {e.step: e.value for e in events.Scalars("z_attention/signals/output_entropy_gap")}
    p = {e.step: e.value for e in events.Scalars("z_attention/signals/output_entropy_gap_p")}
    recorded = assess(open_run(run.logger.log_dir)).signal("output_entropy_gap")
    assert list(values) == list(open_run(run.logger.log_dir).steps)
    assert list(p.values()) == pytest.approx(list(recorded.p_values), abs=1e-6)
    fired = told[[s.kind for s in told].index("flag")].fired
    assert p[fired] <= 0.001
    assert "z_attention/signals/hidden_norm_gap" in events.Tags()["scalars"]


def test_an_error_in_on_signal_is_reported_once_and_training_goes_on(tmp_path):
    def explode(signal):
        raise RuntimeError(f"no thanks, {signal.kind}")

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run, _, monitor = fit(tmp_path, on_signal=explode)
    ours = [str(w.message) for w in said if w.category is AttentionMonitorWarning]
    assert sum("no thanks, flag" in text for text in ours) == 1
    assert "while calling on_signal for output_entropy_gap" in "".join(ours)
    assert monitor.failures.count == len(ours)
    assert run.global_step == 5 * 6
    assert len(open_run(run.logger.log_dir).steps) == 6
