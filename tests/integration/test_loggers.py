"""Numbers and pictures in loggers other than TensorBoard's: the real packages, offline."""

import csv
import os
import subprocess
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

import lightning as L
import numpy as np
import pytest
from lightning.pytorch import loggers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from attn_monitor import AttentionMonitor, AttentionRecorder, open_run
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests.tiny_lightning import Tiny, loaders, words

FEW = {
    "tokens": words,
    "probes": 3,
    "train_probes": 2,
    "lens_sentences": 2,
    "signal_sentences": 5,
}


def fit(root, logger, *, fails=False, **options):
    L.seed_everything(3, verbose=False)
    monitor = AttentionMonitor(**{**FEW, **options})
    trainer = L.Trainer(
        accelerator="cpu",
        default_root_dir=str(root),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        log_every_n_steps=1,
        max_epochs=2,
        logger=logger,
        callbacks=[monitor],
    )
    trainer.fit(Tiny(), *loaders())
    assert (monitor.failures.count > 0) == fails
    return monitor


def rows_of(logger):
    with (Path(logger.log_dir) / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_csv_logger_gets_a_dozen_numbers_of_each_recorded_step(tmp_path):
    logger = loggers.CSVLogger(tmp_path, flush_logs_every_n_steps=1)
    fit(tmp_path, logger, log_images=False)
    rows = rows_of(logger)
    ours = {name for name in rows[0] if name.startswith("attention/")}
    assert 6 <= len(ours) <= 12
    run = open_run(logger.log_dir)
    entropy = run.metric("row_entropy", part="encoder").mean(axis=(1, 2))
    found = [(int(r["step"]), float(x)) for r in rows if (x := r["attention/row_entropy/encoder"])]
    assert [step for step, _ in found] == list(run.steps) == [0, 4, 8]
    np.testing.assert_allclose([value for _, value in found], entropy, rtol=1e-5)
    assert len([row for row in rows if row["val_loss"]]) == 2
    assert len([row for row in rows if row["train_loss"]]) == 8


def test_the_home_is_the_home_beside_a_csv_logger_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    fit(tmp_path, loggers.CSVLogger("~/logs"), log_images=False)
    [numbers] = tmp_path.rglob("metrics.csv")
    assert numbers.is_relative_to(tmp_path / "home")
    assert list(open_run(numbers.parent).steps) == [0, 4, 8]
    assert not (tmp_path / "~").exists()


def test_in_scalars_ours_are_few_and_below_the_users(tmp_path):
    logger = loggers.TensorBoardLogger(tmp_path)
    fit(tmp_path, logger, log_images=False)
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    groups = [tag.partition("/")[0] for tag in sorted(events.Tags()["scalars"])]
    assert 6 <= groups.count("z_attention") <= 12
    assert groups.index("z_attention") > groups.index("val_loss")
    assert groups[-1] == "z_attention"


def test_all_metrics_of_all_layers_on_request_and_none_when_turned_off(tmp_path):
    every, none = loggers.CSVLogger(tmp_path / "a"), loggers.CSVLogger(tmp_path / "b")
    fit(tmp_path, every, log_images=False, log_scalars="all")
    fit(tmp_path, none, log_images=False, log_scalars=False)
    run = open_run(every.log_dir)
    last = next(r for r in reversed(rows_of(every)) if r["attention/prev/encoder_L2"])
    expected = run.metric("prev", part="encoder")[-1, 1].mean()
    assert float(last["attention/prev/encoder_L2"]) == pytest.approx(expected, rel=1e-5)
    ours = {name for name in rows_of(none)[0] if name.startswith("attention/")}
    assert ours == {"attention/monitor_errors"}


def test_a_logger_that_refuses_is_named_and_the_recording_goes_on(tmp_path):
    class Refuses(loggers.CSVLogger):
        def log_metrics(self, metrics, step=None):
            if any(name.startswith("attention/") for name in metrics):
                raise ConnectionError("no network")
            super().log_metrics(metrics, step)

        def log_image(self, key, images, step=None):  # noqa: ARG002
            raise ConnectionError("no pictures")

    logger = Refuses(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(tmp_path, logger, fails=True)
    texts = [str(w.message) for w in said if w.category is AttentionMonitorWarning]
    assert any("giving numbers to Refuses: ConnectionError: no network" in t for t in texts), texts
    assert any("giving a picture to Refuses: ConnectionError: no pictures" in t for t in texts)
    assert list(open_run(logger.log_dir).steps) == [0, 4, 8]


def test_a_loop_of_ones_own_hands_its_loggers_over(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    logger = loggers.CSVLogger(tmp_path)
    model = Tiny()
    with AttentionRecorder(
        model, loaders()[1], log_dir="~/runs", loggers=[logger], **FEW
    ) as recorder:
        recorder.record(step=5, epoch=1)
    assert list(open_run(tmp_path / "home" / "runs").steps) == [5]
    assert list((tmp_path / "home" / "runs").glob("events*"))  # all of it below one directory
    assert not (tmp_path / "~").exists()
    logger.save()
    assert recorder.failures.count == 0
    assert [row["step"] for row in rows_of(logger)] == ["5"]


def test_testing_has_names_of_its_own(tmp_path):
    logger = loggers.CSVLogger(tmp_path)
    monitor = AttentionMonitor(**FEW, log_images=False)
    L.Trainer(
        accelerator="cpu",
        default_root_dir=str(tmp_path),
        enable_progress_bar=False,
        logger=logger,
        callbacks=[monitor],
    ).test(Tiny(), loaders()[1], verbose=False)
    assert "attention/test/row_entropy/encoder" in rows_of(logger)[0]


THEIRS = (
    "weights_and_biases_gets_numbers_and_pictures_offline",
    "mlflow_gets_numbers_and_pictures_in_its_file_store",
    "comet_gets_numbers_and_pictures_offline",
    "what_a_transformers_trainer_reports_to_gets_both[wandb]",
    "what_a_transformers_trainer_reports_to_gets_both[mlflow]",
    "what_a_transformers_trainer_reports_to_gets_both[trackio]",
    "an_exported_page_is_given_to[wandb]",
    "an_exported_page_is_given_to[mlflow]",
    "an_exported_page_is_given_to[trackio]",
)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run the tests of other packages' loggers once; return what became of each, by name.

    In a process of their own: MLflow starts a Comet experiment where Comet is installed, W&B keeps
    the directory of its first run, and all of them stay in what imported them.
    """
    packages = Path(sys.prefix) / "loggers"
    if not packages.is_dir():
        pytest.skip("`make test` installs these packages")
    kept = tmp_path_factory.mktemp("loggers") / "outcomes.xml"
    tests = Path(__file__).parents[1] / "loggers_of_others.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, f"--junitxml={kept}", str(tests)],
        cwd=tests.parents[1],
        env=os.environ | {"PYTHONPATH": str(packages), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )
    assert kept.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    cases = ElementTree.parse(kept).iter("testcase")  # noqa: S314 - our own report
    return {case.get("name").removeprefix("test_"): list(case) for case in cases}


def test_each_logger_of_other_packages_is_tried(outcomes):
    assert set(outcomes) == set(THEIRS)


@pytest.mark.parametrize("name", THEIRS)
def test_a_logger_of_another_package_gets_numbers_and_pictures(name, outcomes):
    assert not outcomes[name], outcomes[name][0].get("message")
