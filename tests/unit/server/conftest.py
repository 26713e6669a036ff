from __future__ import annotations

import pytest
from markers import write_run
from recordings import encoder_info, record, translation_info
from wsgi_tab import HOSTILE_NAME, Tab


@pytest.fixture(scope="session")
def logdir(tmp_path_factory):
    root = tmp_path_factory.mktemp("logs")
    translation = translation_info()
    steps = [record(translation, step, epoch=step // 10) for step in (0, 10, 20)]
    write_run(root / "exp" / "version_0", translation, steps)
    info = encoder_info()
    write_run(root / HOSTILE_NAME, info, [record(info, 5)])
    return root


@pytest.fixture(scope="session")
def tab(logdir):
    return Tab(logdir)
