"""What `test_loggers.py` runs in a process that has the packages of `tests/loggers.txt`."""

import re
import sqlite3
from pathlib import Path

import pytest
from lightning.pytorch import loggers

from attn_monitor import AttentionCallback, open_run
from attn_monitor.cli import main
from attn_monitor.store import RunWriter
from tests import tiny_trainer
from tests.integration.test_loggers import fit
from tests.recordings import encoder_info, record


def pages(folder):
    """The steps whose maps are in each page that was kept, the smallest first."""
    found = []
    for path in folder.rglob("*.html"):
        answers = re.findall(r"attention\?run=[^\"]*?step=(\d+)", path.read_text("ascii"))
        found.append(sorted({int(step) for step in answers}))
    return sorted(found, key=len)


@pytest.mark.filterwarnings("ignore")  # of W&B's own
def test_weights_and_biases_gets_numbers_and_pictures_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    logger = loggers.WandbLogger(project="attention", save_dir=tmp_path, offline=True)
    fit(tmp_path, logger, log_page_every=2)
    directory = Path(logger.experiment.dir)
    summary = dict(logger.experiment.summary)
    logger.experiment.finish()
    assert len(sorted(directory.rglob("attention/encoder*.png"))) >= 2
    assert list(directory.parent.glob("*.wandb"))
    assert pages(directory) == [[0, 4], [0, 4, 8]]  # every second recorded step, and the last
    [recorded] = tmp_path.rglob("run.json")
    run = open_run(recorded.parents[3])
    last = run.metric("row_entropy", part="encoder")[-1].mean()
    assert summary["attention/row_entropy/encoder"] == pytest.approx(last, rel=1e-5)


@pytest.mark.filterwarnings("ignore")  # of MLflow's own
def test_mlflow_gets_numbers_and_pictures_in_its_file_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    logger = loggers.MLFlowLogger("attention", tracking_uri=f"file:{tmp_path / 'mlruns'}")
    fit(tmp_path, logger, log_page_every=3)
    kept = logger.experiment.get_metric_history(logger.run_id, "attention/row_entropy/encoder")
    assert [metric.step for metric in kept] == [0, 4, 8]
    assert pages(tmp_path / "mlruns") == [[0, 4, 8]]
    pictures = [str(path) for path in (tmp_path / "mlruns").rglob("*.png")]
    assert len(pictures) >= 2


@pytest.mark.filterwarnings("ignore")  # of Comet's own
def test_comet_gets_numbers_and_pictures_offline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logger = loggers.CometLogger(online=False, project="attention")
    taken = {}
    for name in ("log_image", "log_asset", "__internal_api__log_metrics__"):
        call = getattr(logger.experiment, name)
        told = taken.setdefault(name, [])

        def heard(*given, call=call, told=told, **options):
            told.append(given)
            return call(*given, **options)

        monkeypatch.setattr(logger.experiment, name, heard)
    fit(tmp_path, logger, log_page_every=1)
    assert len(taken["log_image"]) >= 2
    assert [Path(given[0]).name for given in taken["log_asset"]] == [
        f"attention_step_{step}.html" for step in (0, 4, 8)
    ]
    numbers = [given[0] for given in taken["__internal_api__log_metrics__"]]
    assert len([n for n in numbers if "attention/row_entropy/encoder" in n]) == 3
    logger.experiment.end()


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
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
    callback = AttentionCallback(**{**tiny_trainer.FEW, "log_images": True, "log_page_every": 9})
    trained = tiny_trainer.trainer(tmp_path / "out", callback, report_to=name)
    trained.train()
    assert callback.failures.count == 0
    assert "attention" not in str(trained.state.log_history)
    if name == "wandb":
        import wandb

        # Its directory is that of the first run in a process, whatever the environment says later.
        assert list(Path(wandb.run.dir).rglob("attention/encoder*.png"))
        assert len(pages(Path(wandb.run.dir))) == 1
        assert "train/attention/row_entropy/encoder" in dict(wandb.run.summary)
        wandb.finish()
        return
    assert list(tmp_path.rglob("*.png"))
    assert len(pages(tmp_path)) == 1
    if name == "mlflow":
        kept = list((tmp_path / "mlruns").rglob("row_entropy/encoder"))
        assert len(kept[0].read_text().splitlines()) == 3
    else:
        [database] = (tmp_path / "trackio").rglob("*.db")
        with sqlite3.connect(database) as connection:
            logged = "".join(str(row) for row in connection.execute("select * from metrics"))
        assert "attention/row_entropy/encoder" in logged


@pytest.mark.parametrize("tracker", ["wandb", "mlflow", "trackio"])
@pytest.mark.filterwarnings("ignore")
def test_an_exported_page_is_given_to(tracker, tmp_path, monkeypatch, capsys):
    for variable, value in {
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(tmp_path),
        "WANDB_SILENT": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
    }.items():
        monkeypatch.setenv(variable, value)
    if tracker == "mlflow":
        import mlflow

        mlflow.set_tracking_uri(f"file:{tmp_path / 'mlruns'}")
    places = [tmp_path]
    if tracker == "wandb":
        import wandb

        def init(*given, begin=wandb.init, **options):
            run = begin(*given, **options)
            places.append(Path(run.dir))  # below the directory of the first run of a process
            return run

        monkeypatch.setattr(wandb, "init", init)
    if tracker == "trackio":
        import trackio

        places.append(Path(trackio.TRACKIO_DIR))  # as it was when a process first imported it
    info = encoder_info()
    with RunWriter(tmp_path / "run", info) as writer:
        writer.write(record(info, 5))
    page = tmp_path / "page.html"
    run = [str(tmp_path / "run"), "--name", "one"]
    assert main(["export", *run, "-o", str(page), "--to", tracker, "--project", "maps"]) == 0
    said = capsys.readouterr().out
    assert "2 sentences at 1 step" in said
    kept = [path for place in places for path in place.rglob("*.html") if path != page]
    assert page.read_bytes() in [path.read_bytes() for path in kept]
    if tracker == "mlflow":  # and a second time into the run that it made
        made = said.split("run ")[1].split(",")[0]
        assert main(["export", *run, "--to", tracker, "--into", made]) == 0
        artifacts = mlflow.MlflowClient().list_artifacts(made, "attention")
        assert [a.path for a in artifacts] == ["attention/attention.html", "attention/page.html"]
