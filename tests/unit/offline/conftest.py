from __future__ import annotations

import pytest
from markers import write_run
from recordings import record, translation_info
from wsgi_tab import Tab


@pytest.fixture(scope="session")
def logdir(tmp_path_factory):
    """Three parts, two sentences, three steps; queries and keys at the last step."""
    root = tmp_path_factory.mktemp("logs")
    info = translation_info()
    steps = [record(info, step, epoch=step // 10, vectors=step == 20) for step in (0, 10, 20)]
    write_run(root / "exp" / "version_0", info, steps)
    return root


@pytest.fixture(scope="session")
def recording(logdir):
    return str(logdir / "exp" / "version_0")


@pytest.fixture(scope="session")
def tab(logdir):
    return Tab(logdir)
