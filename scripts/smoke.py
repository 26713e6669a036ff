"""What an installed package must be able to do: record a run, show it, export it.

``python smoke.py record FOLDER`` needs torch; ``python smoke.py read FOLDER`` must do without.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def record(folder: Path) -> None:
    """Record three steps of a small encoder."""
    import torch
    from torch import nn

    from attn_monitor import AttentionRecorder

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(20, 8)
            layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.encoder(self.words(ids))

    torch.manual_seed(0)
    batches = [torch.randint(1, 20, (4, 6)) for _ in range(4)]
    with AttentionRecorder(
        Reader(), batches, log_dir=folder / "run", probes=4, train_probes=0
    ) as recorder:
        for step in range(3):
            recorder.record(step=step, epoch=step)
    assert recorder.failures.count == 0, "the monitor reported problems"


def read(folder: Path) -> None:
    """Read the run, answer the tab's first questions, and write it as one page."""
    from tensorboard.plugins import base_plugin
    from werkzeug.test import Client

    from attn_monitor import open_run
    from attn_monitor.signals import assess
    from tb_plugin.loader import Loader

    run = open_run(folder / "run")
    assert run.steps == (0, 1, 2)
    rows = run.attention(step=2, probe=0, part="encoder", layer=1).sum(axis=-1)
    assert abs(rows - 1).max() < 0.02, "rows of attention must sum to 1"
    assert list(assess(run).epochs) == [0, 1, 2]

    class Provider:
        def list_runs(self, *_: object, **__: object) -> list[object]:
            return []

    context = base_plugin.TBContext(logdir=str(folder), data_provider=Provider())
    plugin = Loader().load(context)
    apps = plugin.get_plugin_apps()
    assert Client(apps["/static/*"]).get("/static/index.js").status_code in {200, 404}
    page = folder / "run.html"
    command = [sys.executable, "-c", "from attn_monitor.cli import main; raise SystemExit(main())"]
    subprocess.run([*command, "export", str(folder / "run"), "-o", str(page)], check=True)
    assert page.stat().st_size > 100_000, "an exported page holds the tab's script"
    loaded = sorted({"torch", "lightning", "pytorch_lightning"} & sys.modules.keys())
    print(json.dumps({"steps": run.steps, "bytes": page.stat().st_size, "loaded": loaded}))


if __name__ == "__main__":
    {"record": record, "read": read}[sys.argv[1]](Path(sys.argv[2]))
