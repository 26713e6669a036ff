"""What is built installs into an empty environment, and reads recordings there without torch."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "lightning", "pytorch-lightning", "transformers", "zarr"}


def needed(requirements):
    """The distributions that some requirements bring, with all that these bring themselves."""
    found, waiting = {}, [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in found:
            found[name] = metadata.distribution(name)
            waiting += [Requirement(text) for text in found[name].requires or ()]
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is made from it: neither sees this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    checkout = folder / "checkout"
    ignored = shutil.ignore_patterns(".*", "node_modules", "__pycache__", "tests", "dist", "site")
    shutil.copytree(ROOT, checkout, ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def site(built):
    """A folder with what `pip install attn-monitor` would put there, and nothing else."""
    folder = built / "site-packages"
    (wheel,) = built.glob("*.whl")
    shutil.unpack_archive(wheel, folder, "zip")
    (described,) = folder.glob("attn_monitor-*.dist-info")
    text = (described / "METADATA").read_text()
    required = re.findall(r"^Requires-Dist: ([^\n]+)$", text, re.MULTILINE)
    brought = needed([each for each in required if "extra ==" not in each])
    assert not HEAVY & brought.keys()
    for distribution in brought.values():
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(distribution.locate_file(top))
    return folder


def smoke(what, folder, path):
    """Run scripts/smoke.py with `path` as all that is installed."""
    return subprocess.run(
        [sys.executable, "-S", str(ROOT / "scripts" / "smoke.py"), what, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
    )


def test_a_machine_that_only_reads_needs_neither_torch_nor_lightning(site, tmp_path):
    everything = os.pathsep.join([str(site), *(p for p in sys.path if "site-packages" in p)])
    done = smoke("record", tmp_path, everything)
    assert done.returncode == 0, done.stderr[-3000:]
    done = smoke("read", tmp_path, str(site))
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"loaded": []' in done.stdout

    done = smoke("record", tmp_path, str(site))
    assert done.returncode != 0
    assert "No module named 'torch'" in done.stderr
    asked = "import attn_monitor; attn_monitor.AttentionMonitor"
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )
    assert "pip install 'attn-monitor[train]'" in done.stderr


def test_the_sdist_holds_what_a_build_needs(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for wanted in ("hatch_build.py", "tb_plugin/static/index.js", "tb_plugin/static/offline.js"):
        assert wanted in names
    assert not [name for name in names if "node_modules" in name]
