"""Every bug of the gallery is told from its healthy twin by the number that the docs name."""

import contextlib
import io
import json
import logging
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from attn_monitor import open_run
from attn_monitor.cli import main
from attn_monitor.verdicts import judge

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def gallery():
    sys.path.insert(0, str(ROOT / "examples"))
    import buggy_models

    yield buggy_models
    sys.path.remove(str(ROOT / "examples"))


@pytest.fixture
def twins(gallery, tmp_path):
    """Train both twins; return their recordings and the numbers that tell them apart."""
    quiet = logging.getLogger("lightning.pytorch")
    level = quiet.level
    quiet.setLevel(logging.ERROR)

    def train(name, **options):
        runs, numbers = {}, {}
        for twin in ("healthy", "buggy"):
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")  # Lightning's, on small runs
                run_dir = gallery.train(name, twin, logdir=str(tmp_path), **options)
            runs[twin] = open_run(run_dir)
            numbers[twin] = gallery.giveaway(name, run_dir)
        return runs, numbers

    yield train
    quiet.setLevel(level)


def levels(runs, name, part):
    """Return what the JSON of ``attn-monitor report`` alone says of both twins."""
    told = {}
    for twin, run in runs.items():
        with contextlib.redirect_stdout(io.StringIO()) as said:
            assert main(["report", run.location, "--json"]) == 0
        verdicts = json.loads(said.getvalue())["verdicts"]
        which = (v for v in verdicts if (v["name"], v["evidence"].get("part")) == (name, part))
        told[twin] = next(which)["level"]
    return told


def test_without_a_causal_mask_words_read_what_comes_after_them(twins):
    runs, numbers = twins("missing_causal_mask", epochs=1, sentences=256)
    assert numbers["healthy"] == 0
    assert numbers["buggy"] > 0.3
    # The tab names the part by its mask: a decoder that is shown as an encoder.
    assert (runs["healthy"].parts, runs["buggy"].parts) == (("decoder",), ("encoder",))
    tried, leak = [v for v in judge(runs["buggy"]) if v.name == "leak"]
    assert (tried.level, leak.level, leak.evidence["causal"]) == ("found", "look", False)
    checks = {check["rule"]: check for check in tried.evidence["checks"]}
    assert checks["future"]["leaks"] == checks["future"]["pairs"]
    assert "the next tokens" in checks["future"]["said_by"]
    assert checks["future"]["first"].startswith("model.attention.0")
    assert runs["healthy"].remarks.audit.holds is True
    assert leak.evidence["after_itself"] == pytest.approx(numbers["buggy"], abs=1e-3)
    assert levels({"healthy": runs["healthy"]}, "leak", "decoder") == {"healthy": "clear"}


@pytest.mark.long
def test_without_positions_no_head_learns_to_look_at_the_previous_word(twins):
    runs, numbers = twins("missing_positions", epochs=10, sentences=512, record_every=10)
    assert numbers["healthy"] > 0.6
    assert numbers["buggy"] < 0.4
    losses = {twin: run.scalars(run.steps[-1])["val_loss"] for twin, run in runs.items()}
    assert losses["healthy"] < 0.1 * losses["buggy"]


def test_without_positions_equal_words_have_equal_rows(twins):
    runs, _ = twins("missing_positions", epochs=1, sentences=256)
    worst = {}
    for twin, run in runs.items():
        words = run.probe(0).source.text
        first = words.index("the")
        again = words.index("the", first + 1)
        maps = run.attention(step=run.steps[-1], probe=0, part="encoder", layer=1)
        worst[twin] = np.abs(maps[:, first] - maps[:, again]).max()
    assert worst["buggy"] < 1e-6
    assert worst["healthy"] > 0.01
    found = levels(runs, "positions", "encoder")
    assert found["buggy"] == "found"
    assert found["healthy"] != "found"


def test_scores_of_the_wrong_scale_saturate_before_training(twins):
    runs, numbers = twins("wrong_scale", epochs=1, sentences=256)
    assert numbers["healthy"] > 0.9
    assert numbers["buggy"] < 0.3
    assert levels(runs, "scale", "encoder") == {"healthy": "clear", "buggy": "found"}


def test_collapsed_heads_do_not_differ_at_all(twins):
    runs, numbers = twins("collapsed_heads", epochs=1, sentences=256)
    assert numbers["healthy"] > 0.01
    assert numbers["buggy"] == pytest.approx(0, abs=1e-6)
    assert levels({"buggy": runs["buggy"]}, "redundant", "encoder") == {"buggy": "found"}


def test_padding_without_a_mask_takes_attention_out_of_the_sentence(twins, tmp_path, capsys):
    runs, numbers = twins("padding_attended", epochs=1, sentences=256)
    assert numbers["healthy"] == 0
    assert numbers["buggy"] > 0.2
    assert levels(runs, "padding", "encoder") == {"healthy": "clear", "buggy": "found"}
    assert levels(runs, "leak", None) == {"healthy": "clear", "buggy": "found"}
    folder = tmp_path / "gallery" / "padding_attended"
    for twin, status in (("healthy", 0), ("buggy", 2)):
        assert main(["report", str(folder / twin), "--json", "--fail-on", "padding"]) == status
        told = json.loads(capsys.readouterr().out)
        assert told["failed_on"] == ["padding"] * (status // 2)
    worst = next(v for v in told["verdicts"] if v["name"] == "padding")
    assert worst["evidence"]["outside"] == pytest.approx(numbers["buggy"], abs=0.05)
    assert "p.attn_monitor.metric=outside" in worst["link"]
    assert main(["compare", str(folder / "healthy"), str(folder / "buggy")]) == 0
    assert "padding (encoder): A clear, B found" in capsys.readouterr().out
    assert main(["watch", str(folder / "buggy"), "--until", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step 0, epoch 0")
    assert "val_loss" in lines[1]


@pytest.mark.long
def test_shuffled_targets_leave_no_diagonal(twins):
    runs, numbers = twins("shuffled_targets", epochs=10, sentences=512, record_every=10)
    assert numbers["healthy"] > 0.6
    specs = [spec.name for spec in runs["buggy"].metrics]
    chance = runs["buggy"].uniform("cross")[0, specs.index("diagonal")]
    assert numbers["buggy"] == pytest.approx(chance, abs=0.1)
    assert levels(runs, "positions", "cross") == {"healthy": "clear", "buggy": "look"}


def test_packed_sentences_that_read_each_other_are_said_before_training(twins):
    runs, numbers = twins("packing_leak", epochs=1, sentences=256)
    assert numbers["healthy"] == 0
    assert numbers["buggy"] > 0.05
    assert levels(runs, "leak", None) == {"healthy": "clear", "buggy": "found"}
    broken = [check for check in runs["buggy"].remarks.audit.checks if check.leaks]
    assert [check.rule for check in broken] == ["document"]
    assert broken[0].first.startswith("model.attention.0")


def test_logits_that_explode_are_told_with_their_head(twins):
    runs, numbers = twins("exploding_logits", epochs=3, sentences=512)
    assert numbers["buggy"] > 50 > numbers["healthy"]
    assert levels(runs, "growth", None) == {"healthy": "clear", "buggy": "found"}


def test_the_gallerys_page_names_every_bug_its_command_and_its_number(gallery):
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    for name, bug in gallery.BUGS.items():
        assert f"python examples/buggy_models.py {name}" in page
        assert f"`{bug.metric}`" in page
        assert f"(pictures/gallery-{name.replace('_', '-')}.png)" in page
    for picture in re.findall(r"\((pictures/[^)]+)\)", page):
        assert (ROOT / "docs" / picture).is_file(), picture
