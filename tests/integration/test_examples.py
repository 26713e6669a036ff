"""Every example as its header starts it, in its small setting, up to the tab."""

import re
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import polib
import pytest

from attn_monitor import open_run
from attn_monitor.store import RunWriter
from tests.programs import run_program
from tests.recordings import encoder_info, record
from tests.wsgi_tab import Tab

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

SMALL = {
    "airline_sentiment.py": ["--epochs", "1", "--limit", "300"],
    "buggy_models.py": ["wrong_scale", "--epochs", "1"],
    "causal_lm.py": ["--small"],
    "huggingface_finetune.py": ["--small"],
    "other_loops.py": ["--small"],
    "plain_loop.py": ["--small"],
    "translation.py": ["--small", "--data", "{toy}"],
    "vision.py": ["--small"],
}
READERS = {"read_a_run.py"}
NOT_EXAMPLES = {
    "airline_data.py",
    "buggy_parts.py",
    "catalogues.py",
    "demo.py",
    "growth_study.py",  # minutes long; docs/growth.md is what it printed
    "translation_data.py",
}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Write pairs in a toy English and French: the adjective goes behind the noun."""
    nouns = {"cat": "chat", "dog": "chien", "tree": "arbre", "book": "livre", "friend": "ami"}
    colours = {"white": "blanc", "black": "noir", "green": "vert", "old": "ancien"}
    verbs = {"sees": "voit", "likes": "aime", "hides": "cache"}
    path = tmp_path_factory.mktemp("toy") / "pairs.tsv"
    rows = [
        f"the {a} {n} {v} the {m}\tle {nouns[n]} {colours[a]} {verbs[v]} le {nouns[m]}"
        for a, n, v, m in product(colours, nouns, verbs, nouns)
    ]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def run(example, *arguments):
    return run_program(*arguments, file=EXAMPLES / example)


def test_every_example_is_run_below():
    # The overfitting study has tests of its own.
    names = {path.name for path in EXAMPLES.glob("*.py") if "overfitting" not in path.name}
    assert names - NOT_EXAMPLES == set(SMALL) | READERS


@pytest.mark.parametrize("example", SMALL)
def test_an_example_runs_says_what_to_look_for_and_opens_in_the_tab(example, toy, tmp_path):
    arguments = [argument.format(toy=toy) for argument in SMALL[example]]
    done = run(example, *arguments, "--logdir", str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "AttentionMonitorWarning" not in done.stderr
    assert f"tensorboard --logdir {tmp_path}" in done.stdout
    assert "Look for:" in done.stdout
    tab = Tab(tmp_path)
    runs = tab.get("index").json["runs"]
    assert runs
    for recorded in runs:
        assert (recorded["state"], recorded["message"]) == ("ok", None)
        audit = open_run(tmp_path / recorded["name"]).remarks.audit
        planted = example == "buggy_models.py"
        assert planted or audit is None or audit.holds is not False, audit.sentence
        shown = tab.get("run", run=recorded["name"]).json
        part, step = shown["parts"][0]["name"], shown["steps"][-1]["step"]
        maps = tab.get("attention", run=recorded["name"], step=step, part=part, probe=0)
        assert maps.status_code == 200
        assert maps.data[:4] == b"ATM1"


def test_a_recording_is_read_sorted_piled_drawn_and_handed_to_xarray(tmp_path):
    info = encoder_info(lengths=(5, 7, 6, 4))
    with RunWriter(tmp_path / "run", info) as writer:
        for step in (0, 10):
            writer.write(record(info, step))
    done = run(
        "read_a_run.py", str(tmp_path / "run"), "--metric", "prev", "--out", str(tmp_path / "out")
    )
    assert done.returncode == 0, done.stderr[-3000:]
    listed = [float(line.split()[3]) for line in done.stdout.splitlines() if "  L" in line]
    values = open_run(tmp_path / "run").metric("prev", part="encoder")[-1]
    np.testing.assert_allclose(listed, np.sort(values, axis=None), atol=5e-4)
    for name in ("heads.png", "sorted.png", "piles.png"):
        assert (tmp_path / "out" / name).read_bytes()[:4] == b"\x89PNG"
    assert "xarray of {'step': 2, 'layer': 2, 'head': 3, 'metric': 3}: prev moved" in done.stdout
    assert "Look for:" in done.stdout


@pytest.mark.parametrize("example", [*SMALL, *READERS])
def test_the_header_of_an_example_shows_the_command_that_runs_it(example):
    header = (EXAMPLES / example).read_text(encoding="utf-8").split('"""')[1]
    assert re.search(rf"^python examples/{example}", header, re.MULTILINE)
    assert "tensorboard --logdir lightning_logs" in header


def test_catalogues_are_read_from_sources_or_compiled_each_message_once(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from catalogues import read_wheels

    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    for english, french in (
        ("Delete the &file %(name)s now", "Supprimer le fichier %(name)s maintenant"),
        ("delete the file {0} now!", "Efface le fichier {0} !"),
        ("Three short words", "Trois mots courts"),
        ("Not <b>this</b> one here", "Pas <b>celui-ci</b> du tout"),
        ("Two words", "Deux mots"),
        ("the same as before", "the same as before"),
    ):
        catalogue.append(polib.POEntry(msgid=english, msgstr=french))
    expected = [
        ("Delete the file # now", "Supprimer le fichier # maintenant"),
        ("Three short words", "Trois mots courts"),
    ]
    source, compiled = tmp_path / "source-1.whl", tmp_path / "compiled-1.whl"
    with zipfile.ZipFile(source, "w") as wheel:
        wheel.writestr("package/locale/fr/LC_MESSAGES/messages.po", str(catalogue))
        wheel.writestr("package/locale/fr/LC_MESSAGES/messages.mo", b"not read beside its source")
        wheel.writestr("package/locale/de/LC_MESSAGES/messages.po", b"not French")
    with zipfile.ZipFile(compiled, "w") as wheel:
        wheel.writestr("package/locale/fr_FR/LC_MESSAGES/messages.mo", catalogue.to_binary())
    assert read_wheels([source]) == expected
    # A compiled catalogue is sorted by message.
    assert sorted(read_wheels([compiled])) == sorted(expected)
    assert read_wheels([source, compiled]) == expected
