"""From real recordings on disk to what the panel says of them."""

from dataclasses import replace

import numpy as np
import pytest
from recordings import encoder, record

from attn_monitor.core.nouns import MetricSpec, Probe, Tokens, metric_rows
from attn_monitor.signals import assess
from attn_monitor.signals.findings import Assessment
from attn_monitor.store import RunInfo, RunWriter, open_run

STEPS = tuple(range(0, 120, 10))
NAMES = ("row_entropy", "prev", "logit_max", "h0_life", "h1_count")


def metric_spec(name):
    high = None if name in {"logit_max", "h1_count"} else 1.0
    return MetricSpec(name=name, title=name, unit="", low=0.0, high=high, reading="")


def sentences(*, val, train, unknown_in_val, further=False):
    rng = np.random.default_rng(3)

    def tokens(unknown):
        words = ["[UNK]" if rng.random() < unknown else "word" for _ in range(rng.integers(6, 12))]
        return Tokens(text=("[CLS]", *words), special=(0,))

    splits = ["val"] * val + ["train"] * train
    if further:  # only a few of each set are probes
        splits[8:val] = ["lens"] * 6 + ["val_output"] * (val - 14)
        splits[val + 9 :] = ["train_output"] * (train - 9)
    return [
        Probe(index=at, split=split, source=tokens(unknown_in_val if at < val else 0.1))
        for at, split in enumerate(splits)
    ]


def recorded(
    folder,
    *,
    val=20,
    train=20,
    memorises=True,
    outputs=True,
    unknown_in_val=0.1,
    separates=False,
    further=False,
) -> Assessment:
    """A run whose model grows more certain of training sentences from step 40 on."""
    statistics = tuple(metric_spec(n) for n in ("output_entropy", "hidden_norm")) if outputs else ()
    info = RunInfo(
        parts=(encoder(1, 2),),
        probes=tuple(
            sentences(val=val, train=train, unknown_in_val=unknown_in_val, further=further)
        ),
        metrics=tuple(metric_spec(name) for name in NAMES),
        uniform={},
        outputs=statistics,
    )
    own = np.random.default_rng(7).normal(0.8, 0.05, size=(val + train, 1))
    with RunWriter(folder, info) as writer:
        for at, step in enumerate(STEPS):
            rng = np.random.default_rng(step)
            answers = own + 0.02 * rng.normal(size=(val + train, 2))
            metrics = 0.5 + 0.05 * rng.normal(size=(val + train, 1, 2, len(NAMES)))
            if memorises and at >= 4:
                answers[val:, 0] -= 0.3
                answers[val:, 1] += 0.3
            if separates and at >= 4:
                metrics[val:, 0, 1, 1] += 1.0
            loss = 1.0 - 0.1 * at if at < 5 else 0.6 + 0.05 * (at - 4) * memorises
            writer.write(
                replace(
                    record(info, step, epoch=at, scalars={"val_loss": loss} if at else {}),
                    metrics={"encoder": metrics[: metric_rows(info.probes)]},
                    outputs=answers if outputs else None,
                )
            )
    return assess(open_run(folder))


def test_a_model_that_memorises_raises_the_flag_with_figures(tmp_path):
    found = recorded(tmp_path)
    flag = found.signal("output_entropy_gap")
    assert found.state == "fired"
    assert flag.fired == 50  # the change begins at 40 and must be seen twice
    assert (flag.n_val, flag.n_train) == (20, 20)
    assert flag.p == 0.0002
    assert flag.sentence == found.headline
    assert flag.sentence.startswith(
        "The model is more certain about training than about validation sentences by "
    )
    assert "(p = 0.0002 at epoch 5, the second step in a row)" in flag.sentence
    assert found.signal("hidden_norm_gap").fired == 50
    assert found.losses.best_step == 40
    assert found.losses.rise_step is not None


def test_a_model_that_learns_without_memorising_is_quiet(tmp_path):
    found = recorded(tmp_path, memorises=False)
    flag = found.signal("output_entropy_gap")
    assert found.state == "quiet"
    assert flag.fired is None
    assert not flag.suppressed
    assert "The rule, p ≤ 0.001 at 2 recorded steps in a row, has not been met." in found.headline
    assert found.losses.rise_step is None


def test_sentences_beyond_the_probes_count_in_the_flag_and_in_the_balance(tmp_path):
    probes_alone, with_further = recorded(tmp_path / "a"), recorded(tmp_path / "b", further=True)
    for name in ("output_entropy_gap", "hidden_norm_gap", "probe_balance"):
        assert with_further.signal(name).sentence == probes_alone.signal(name).sentence
        assert with_further.signal(name).n_val == with_further.signal(name).n_train == 20
    separation = with_further.signal("separation/encoder")
    assert (separation.n_val, separation.n_train) == (8, 9)


def test_an_imbalance_of_the_probe_sets_suppresses_the_flag(tmp_path):
    found = recorded(tmp_path, unknown_in_val=0.4)
    flag, balance = found.signal("output_entropy_gap"), found.signal("probe_balance")
    assert found.state == "unreliable"
    assert balance.fired == 0
    assert found.headline == balance.sentence
    assert balance.sentence.startswith(
        "Validation and training sentences differ in share of unknown tokens 0."
    )
    assert flag.fired is None
    assert flag.suppressed == balance.sentence
    assert flag.sentence.endswith("but the probe sets do not match: no flag.")


@pytest.mark.parametrize(("val", "train"), [(20, 0), (20, 6), (6, 20)])
def test_without_enough_probes_on_either_side_there_is_no_flag(tmp_path, val, train):
    found = recorded(tmp_path, val=val, train=train)
    assert found.state == "no_train_probes"
    assert found.signal("output_entropy_gap") is None
    assert found.headline == (
        "Fewer than 7 probes from training or from validation: nothing to compare, no flag. "
        "Leave AttentionMonitor(train_probes=16, signal_sentences=64) as they are."
    )
    assert found.signal("entropy_collapse/encoder") is not None


def test_a_recording_without_outputs_says_so(tmp_path):
    found = recorded(tmp_path, outputs=False)
    assert found.state == "not_recorded"
    assert found.signal("output_entropy_gap") is None
    assert found.losses.val_name == "val_loss"


def test_separation_is_described_and_never_fires(tmp_path):
    found = recorded(tmp_path, memorises=False, separates=True)
    attention = found.signal("separation/encoder")
    topology = found.signal("topology_separation/encoder")
    assert found.state == "quiet"
    assert attention.kind == topology.kind == "descriptive"
    assert attention.fired is topology.fired is None
    assert attention.p == pytest.approx(1 / 200)
    assert "outside the band" in attention.sentence
    assert topology.p > 0.01
    heads = attention.heads[0].values
    assert heads.shape == (len(STEPS), 1, 2)
    assert heads[-1, 0, 1] > 3 > abs(heads[-1, 0, 0])


def test_every_curve_has_one_value_per_step(tmp_path):
    found = recorded(tmp_path)
    assert len(found.signals) == 8
    for signal in found.signals:
        for curve in signal.curves:
            assert curve.values.shape == (len(STEPS),)
        for head in signal.heads:
            assert len(head.values) == len(STEPS)
        if signal.band is not None:
            assert signal.band.curve in {curve.name for curve in signal.curves}
            assert (signal.band.low <= signal.band.high).all()
        assert signal.sentence.endswith((".", ":"))
        assert signal.trust.endswith(".")


def test_without_context_what_never_fires_is_left_out(tmp_path):
    recorded(tmp_path)
    found = assess(open_run(tmp_path), context=False)
    assert [signal.name for signal in found.signals] == [
        "output_entropy_gap",
        "hidden_norm_gap",
        "probe_balance",
        "entropy_collapse/encoder",
        "logit_growth/encoder",
    ]


def test_a_run_that_has_only_begun_is_quiet(tmp_path):
    recorded(tmp_path)
    log = tmp_path / "plugins" / "attn_monitor" / "rank_0000" / "commits.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    found = assess(open_run(tmp_path))
    assert found.state == "quiet"
    assert found.losses.rise_step is None
