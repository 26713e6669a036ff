import os
from pathlib import Path

import pytest

from attn_monitor.core.errors import RunNotFoundError
from tb_plugin.server.rundirs import RunDirs


class Paths:
    """What TensorBoard's multiplexer answers under --logdir_spec=A:/x,B:/y."""

    def RunPaths(self):  # noqa: N802 - TensorBoard's name
        return {"A/version_0": "/x/version_0", "B/.": "/y"}


def test_without_a_multiplexer_a_name_is_a_path_below_the_log_directory(tmp_path):
    dirs = RunDirs(str(tmp_path) + "/", None)
    assert dirs.find("exp/version_0") == str(tmp_path / "exp/version_0")
    assert dirs.find(".") == str(tmp_path)


def test_a_tilde_is_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunDirs("~/logs", None).find("a") == str(tmp_path / "logs/a")


def test_a_relative_log_directory_is_relative_to_where_tensorboard_was_started(
    monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    dirs = RunDirs("logs", None)
    monkeypatch.chdir("/")
    assert dirs.find("a") == str(tmp_path / "logs" / "a")


def test_the_multiplexer_knows_the_directories_of_a_logdir_spec():
    dirs = RunDirs("", Paths())
    assert dirs.notice is None
    assert dirs.find("A/version_0") == "/x/version_0"
    assert dirs.find("B/.") == "/y"
    with pytest.raises(RunNotFoundError, match="directory of run 'C' is unknown"):
        dirs.find("C")


def test_without_any_directory_the_notice_says_what_to_do():
    dirs = RunDirs("", None)
    assert "start it with --logdir" in dirs.notice
    with pytest.raises(RunNotFoundError, match="without a log directory on this machine"):
        dirs.find("a")


@pytest.mark.parametrize("name", ["..", "../secret", "a/../../secret", "/etc", "a/../.."])
def test_names_that_lead_out_are_refused(tmp_path, name):
    logs = tmp_path / "logs"
    with pytest.raises(RunNotFoundError, match="lies outside the log directory"):
        RunDirs(str(logs), None).find(name)


def test_remote_log_directories_keep_their_scheme():
    dirs = RunDirs("s3://bucket/logs/", None)
    assert dirs.find("exp/a") == "s3://bucket/logs/exp/a"
    assert dirs.find(".") == "s3://bucket/logs"
    with pytest.raises(RunNotFoundError, match="lies outside"):
        dirs.find("../other")


def test_a_collection_of_linked_runs_can_be_read(tmp_path):
    (tmp_path / "real").mkdir()
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "linked").symlink_to(tmp_path / "real", target_is_directory=True)
    found = RunDirs(str(logs), None).find("linked")
    assert Path(os.path.realpath(found)) == tmp_path / "real"
