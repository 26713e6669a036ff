import sys

import pytest

from attn_monitor.cli import main


def test_the_command_writes_the_file_and_says_what_is_in_it(recording, tmp_path, capsys):
    path = tmp_path / "run.html"
    arguments = ["export", recording, "-o", str(path), "--steps", "0,15:20", "--no-lens"]
    assert main([*arguments, "--parts", "encoder,cross", "--probes", "1"]) == 0
    seen = capsys.readouterr()
    size = f"{path.stat().st_size / 1e6:.1f} MB"
    assert seen.out == (
        f"{path}: {size}, 1 sentence at 2 steps\n"
        "This file holds the maps of 1 of 2 sentences at 2 of 3 steps.\n"
        "Parts that are not in this file: decoder.\n"
    )
    assert seen.err == "curves: 1\nsentences: 1\nsteps: 2\n"


def test_an_error_is_one_line_and_a_status(recording, tmp_path, capsys):
    assert main(["export", recording, "-o", str(tmp_path / "x.html"), "--steps", "7"]) == 1
    assert capsys.readouterr().err == (
        "attn-monitor: step 7 is not in this recording; it has 0, 10, 20\n"
    )
    assert main(["export", str(tmp_path), "-o", str(tmp_path / "x.html")]) == 1
    assert capsys.readouterr().err.startswith("attn-monitor: no attention recording under")


def test_a_span_that_is_none_is_refused_before_anything_is_read(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path), "-o", "x.html", "--steps", "1-3"])
    assert "'1-3' is neither a number nor a span like 500:900" in capsys.readouterr().err


def test_a_page_needs_a_place_and_a_tracker_its_package(recording, capsys, monkeypatch):
    assert main(["export", recording]) == 1
    assert capsys.readouterr().err.startswith("attn-monitor: export needs a place for the page")
    monkeypatch.setitem(sys.modules, "trackio", None)  # as where it is not installed
    assert main(["export", recording, "--no-lens", "--to", "trackio"]) == 1
    assert "export --to trackio needs the package trackio: pip install" in capsys.readouterr().err


def test_what_a_tracker_has_against_the_page_is_one_line(recording, capsys, monkeypatch):
    class Refuses:
        def init(self, **_):
            raise ConnectionError("no network")

    monkeypatch.setitem(sys.modules, "trackio", Refuses())
    assert main(["export", recording, "--no-lens", "--to", "trackio"]) == 1
    assert "trackio did not take the page: ConnectionError: no network" in capsys.readouterr().err
