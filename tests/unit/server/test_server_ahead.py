"""What clusterings need is imported once somebody looks at the page, and not before."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys, tempfile
from pathlib import Path
from recordings import encoder_info, record
from wsgi_tab import served
from attn_monitor.store import RunWriter
import tb_plugin.server.ahead as ahead

here = lambda: sorted({"sklearn", "scipy"} & set(sys.modules))
found, own = [], ahead.Ahead.__init__

def noted(self, *args, **kwargs):
    own(self, *args, **kwargs, pause=0)
    found.append(self)

ahead.Ahead.__init__ = noted
with tempfile.TemporaryDirectory() as folder:
    info = encoder_info()
    with RunWriter(str(Path(folder) / "a"), info) as writer:
        writer.write(record(info, 0, vectors=True))
    client = served(Path(folder), ["a"])
    before = here()
    for _ in range(2):
        assert client.get("/data/plugin/attn_monitor/index").status_code == 200
    (one,) = found
    one.join()
    print(before, here(), "sklearn.cluster" in sys.modules)
"""


def test_opening_the_page_brings_what_clusterings_need():
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[] ['scipy', 'sklearn'] True", done.stderr
