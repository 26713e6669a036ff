"""Numbers and pictures in loggers other than TensorBoard's: the real packages, offline."""

import csv
import importlib.util
import sqlite3
import warnings
from pathlib import Path

import lightning as L
import numpy as np
import pytest
from lightning.pytorch import loggers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from attn_monitor import AttentionCallback, AttentionMonitor, AttentionRecorder, open_run
from attn_monitor.monitor.failures import AttentionMonitorWarning
from tests import tiny_trainer
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
    assert any("giving numbers to Refuses: ConnectionError: no network" in t for t in texts)
    assert any("giving a picture to Refuses: ConnectionError: no pictures" in t for t in texts)
    assert list(open_run(logger.log_dir).steps) == [0, 4, 8]


def test_a_loop_of_ones_own_hands_its_loggers_over(tmp_path):
    logger = loggers.CSVLogger(tmp_path)
    model = Tiny()
    with AttentionRecorder(
        model, loaders()[1], log_dir=logger.log_dir, loggers=[logger], **FEW
    ) as recorder:
        recorder.record(step=5, epoch=1)
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


def installed(name):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is absent")


@installed("wandb")
@pytest.mark.filterwarnings("ignore")  # of W&B's own
def test_weights_and_biases_gets_numbers_and_pictures_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    logger = loggers.WandbLogger(project="attention", save_dir=tmp_path, offline=True)
    fit(tmp_path, logger)
    directory = Path(logger.experiment.dir)
    summary = dict(logger.experiment.summary)
    logger.experiment.finish()
    assert len(sorted(directory.rglob("attention/encoder*.png"))) >= 2
    assert list(directory.parent.glob("*.wandb"))
    [recorded] = tmp_path.rglob("run.json")
    run = open_run(recorded.parents[3])
    last = run.metric("row_entropy", part="encoder")[-1].mean()
    assert summary["attention/row_entropy/encoder"] == pytest.approx(last, rel=1e-5)


@installed("mlflow")
@pytest.mark.filterwarnings("ignore")  # of MLflow's own
def test_mlflow_gets_numbers_and_pictures_in_its_file_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = loggers.MLFlowLogger("attention", tracking_uri=f"file:{tmp_path / 'mlruns'}")
    fit(tmp_path, logger)
    kept = logger.experiment.get_metric_history(logger.run_id, "attention/row_entropy/encoder")
    assert [metric.step for metric in kept] == [0, 4, 8]
    pictures = [str(path) for path in (tmp_path / "mlruns").rglob("*.png")]
    assert len(pictures) >= 2


@installed("comet_ml")
@pytest.mark.filterwarnings("ignore")  # of Comet's own
def test_comet_gets_numbers_and_pictures_offline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logger = loggers.CometLogger(online=False, project="attention")
    taken = {}
    for name in ("log_image", "__internal_api__log_metrics__"):
        call = getattr(logger.experiment, name)
        told = taken.setdefault(name, [])

        def heard(*given, call=call, told=told, **options):
            told.append(given)
            return call(*given, **options)

        monkeypatch.setattr(logger.experiment, name, heard)
    fit(tmp_path, logger)
    assert len(taken["log_image"]) >= 2
    numbers = [given[0] for given in taken["__internal_api__log_metrics__"]]
    assert len([n for n in numbers if "attention/row_entropy/encoder" in n]) == 3
    logger.experiment.end()


REPORTS = ("wandb", "mlflow", "trackio")


@pytest.mark.parametrize("name", [pytest.param(n, marks=installed(n)) for n in REPORTS])
@pytest.mark.filterwarnings("ignore")
def test_what_a_transformers_trainer_reports_to_gets_both(name, tmp_path, monkeypatch):
    for variable, value in {
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"file:{tmp_path / 'mlruns'}",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
    }.items():
        monkeypatch.setenv(variable, value)
    if name == "mlflow":
        import mlflow

        mlflow.set_tracking_uri(f"file:{tmp_path / 'mlruns'}")  # the test above has set another
    callback = AttentionCallback(**{**tiny_trainer.FEW, "log_images": True})
    trained = tiny_trainer.trainer(tmp_path / "out", callback, report_to=name)
    trained.train()
    assert callback.failures.count == 0
    assert "attention" not in str(trained.state.log_history)
    if name == "wandb":
        import wandb

        # Its directory is that of the first run in a process, whatever the environment says later.
        assert list(Path(wandb.run.dir).rglob("attention/encoder*.png"))
        assert "train/attention/row_entropy/encoder" in dict(wandb.run.summary)
        wandb.finish()
        return
    assert list(tmp_path.rglob("*.png"))
    if name == "mlflow":
        kept = list((tmp_path / "mlruns").rglob("row_entropy/encoder"))
        assert len(kept[0].read_text().splitlines()) == 3
    else:
        [database] = (tmp_path / "trackio").rglob("*.db")
        with sqlite3.connect(database) as connection:
            logged = "".join(str(row) for row in connection.execute("select * from metrics"))
        assert "attention/row_entropy/encoder" in logged
