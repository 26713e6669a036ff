"""What a real training records beside its steps: the mask audit, and readings of its batches."""

import math

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from attn_monitor import AttentionMonitor, AttentionRecorder, open_run
from attn_monitor.core.remarks import NUMBERS
from attn_monitor.verdicts import judge
from tests.tiny_lightning import Tiny, loaders
from tests.watched_training import fit, monitor, run_dir


class Checkpointed(Tiny):
    def forward(self, ids):
        states = self.embed(ids)
        for layer in self.encoder.layers:
            states = checkpoint(layer, states, src_key_padding_mask=ids == 0, use_reentrant=False)
        return self.classify(self.norm(states[:, 0]))


class Compiled(Tiny):
    def __init__(self):
        super().__init__()
        self.encoder = torch.compile(self.encoder, backend="eager")


class Remembering(Tiny):
    """Keeps what its first layer of attention got at every training step."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def training_step(self, batch, index):
        weights = [
            self.embed.weight.detach().double(),
            self.encoder.layers[0].self_attn.in_proj_weight.detach().double(),
            self.encoder.layers[0].self_attn.in_proj_bias.detach().double(),
        ]
        self.steps.append((batch[0].clone(), [w.clone() for w in weights]))
        return super().training_step(batch, index)


KINDS = {
    "plain": (Tiny, {}),
    "autocast": (Tiny, {"precision": "bf16-mixed"}),
    "accumulation": (Tiny, {"accumulate_grad_batches": 2}),
    "checkpointing": (Checkpointed, {}),
    "compiled": (Compiled, {}),
}


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # the compiler's
@pytest.mark.parametrize("kind", KINDS)
def test_training_is_bit_identical_while_its_batches_are_read(kind, tmp_path):
    make, options = KINDS[kind]

    def trained(*callbacks):
        L.seed_everything(5, verbose=False)
        return fit(tmp_path, *callbacks, model=make(), epochs=1, **options)

    plain, _ = trained()
    watched, run = trained(monitor(watch=1, mask="full"))
    assert watched.losses == plain.losses
    state = watched.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in plain.state_dict().items())
    remarks = open_run(run_dir(run)).remarks
    steps = [reading.step for reading in remarks.readings]
    assert steps[-1] == run.global_step - 1
    assert len(steps) >= run.global_step - 1  # of the first batch no sentence was known before
    for reading in remarks.readings:
        assert reading.heads["encoder"].shape == (len(NUMBERS), 2, 2)
        assert np.isfinite(reading.heads["encoder"]).all()
    assert remarks.audit.holds is True, remarks.audit.sentence


def test_a_reading_is_what_the_training_forward_computed(tmp_path):
    """The oracle: scores of the first layer in float64, from the batch and its weights."""
    model, run = fit(tmp_path, monitor(watch=1), model=Remembering(), epochs=1)
    readings = {reading.step: reading for reading in open_run(run_dir(run)).remarks.readings}
    assert len(readings) >= 3
    for step, (ids, (table, weight, bias)) in enumerate(model.steps):
        if step not in readings:
            continue
        q, k, _ = (table[ids] @ weight.T + bias).unflatten(-1, (3, 2, 8)).unbind(2)
        scores = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(8)
        visible = (ids != 0)[:, None, None]
        top = scores.masked_fill(~visible, -math.inf).amax((0, 2, 3))
        found = readings[step].heads["encoder"][:, 0]
        np.testing.assert_allclose(found[0], top, rtol=1e-4)
        # With dropout, PyTorch scales queries and keys alike before their product.
        for number, vectors in ((2, q), (3, k)):
            lengths = vectors.norm(dim=-1).mean((0, 1)) / 8**0.25
            np.testing.assert_allclose(found[number], lengths, rtol=1e-4)


class Unmasked(Tiny):
    def forward(self, ids):
        return self.classify(self.norm(self.encoder(self.embed(ids)).mean(1)))


def test_a_leak_is_told_stored_and_judged_before_the_first_step(tmp_path, caplog):
    told = []

    def tell(signal):
        told.append((signal.kind, signal.sentence))

    with caplog.at_level("INFO"):
        _, run = fit(tmp_path, monitor(on_signal=tell), model=Unmasked(), epochs=1)
    recording = open_run(run_dir(run))
    audit = recording.remarks.audit
    assert audit.holds is False
    assert [kind for kind, _ in told].count("leak") == 1
    assert audit.sentence in dict(told)["leak"]
    assert any(audit.sentence in message for message in caplog.messages)
    [leak] = [v for v in judge(recording) if v.name == "leak" and v.level == "found"]
    assert leak.evidence["leaks"] == audit.leaks


def test_a_plain_loop_reads_and_tells_growth(tmp_path):
    """Queries that double every four steps: the forecast says when, and what grows."""
    told = []
    model = Tiny()
    train, val = loaders()
    batch = next(iter(train))
    attention = model.encoder.layers[1].self_attn
    with AttentionRecorder(
        model,
        val,
        log_dir=tmp_path,
        probes=2,
        lens_sentences=0,
        train_probes=0,
        watch=2,
        on_signal=told.append,
    ) as recorder:
        recorder.record(step=0, epoch=0)
        for step in range(24):
            with recorder.watch(step):
                model.train()
                model(batch[0])
            with torch.no_grad():
                attention.in_proj_weight[:16] *= 1.4 if step < 16 else 1.2
                attention.in_proj_bias[:16] *= 1.4 if step < 16 else 1.2
    run = open_run(tmp_path)
    assert [reading.step for reading in run.remarks.readings] == list(range(0, 24, 2))
    [growth] = [signal for signal in told if signal.kind == "growth"]
    assert growth.name == "growth/encoder"
    assert "queries grow, keys flat" in growth.sentence
    assert growth.threshold == 100


def test_what_cannot_be_meant_is_refused_at_once():
    with pytest.raises(ValueError, match="watch must be an integer >= 1, got 0"):
        AttentionMonitor(watch=0)
    with pytest.raises(ValueError, match="mask must be one of 'causal', 'prefix', 'full'"):
        AttentionMonitor(mask=-1)
