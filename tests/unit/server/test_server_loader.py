"""TensorBoard must come up whatever is wrong with us."""

import argparse
import subprocess
import sys

import pytest
from tensorboard.plugins.base_plugin import TBContext

from tb_plugin.loader import Loader

LOADED = """
import sys
{statement}
names = {{name.partition(".")[0] for name in sys.modules}}
print(*sorted(names & {{"torch", "lightning", "pytorch_lightning", "matplotlib", "numpy", "zarr",
                        "attn_monitor", "sklearn", "scipy", "gudhi", "networkx", "nltk"}}))
"""


def loaded(statement, root):
    script = LOADED.format(statement=statement)
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_the_server_needs_neither_torch_nor_lightning(request):
    names = loaded("import tb_plugin.plugin", request.config.rootpath)
    assert names >= {"attn_monitor", "numpy"}
    assert not names & {"torch", "lightning", "pytorch_lightning", "matplotlib"}
    assert not names & {"scipy", "sklearn", "gudhi", "networkx", "nltk"}


def test_the_entry_point_loads_none_of_the_rest(request):
    alone = loaded("import tensorboard.plugins.base_plugin", request.config.rootpath)
    ours = loaded("import tb_plugin.loader", request.config.rootpath)
    assert ours == alone


def test_a_broken_installation_is_logged_and_costs_only_this_tab(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tb_plugin.plugin", None)  # importing it now fails
    assert Loader().load(TBContext(logdir="logs")) is None
    assert "The Attention tab could not be loaded; reinstall" in caplog.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"attn_monitor": 1}),
        ({}, {"attn_monitor": 1}),
        ({"images": 5}, {"images": 5, "attn_monitor": 1}),
        ({"attn_monitor": 7}, {"attn_monitor": 7}),
    ],
)
def test_flags_keep_what_the_user_asked_for(before, after):
    flags = argparse.Namespace(samples_per_plugin=before)
    Loader().fix_flags(flags)
    assert flags.samples_per_plugin == after


def test_the_cache_has_a_flag():
    parser = argparse.ArgumentParser()
    Loader().define_flags(parser)
    assert parser.parse_args([]).attn_monitor_cache_mb == 96
    assert parser.parse_args(["--attn_monitor_cache_mb", "9"]).attn_monitor_cache_mb == 9
