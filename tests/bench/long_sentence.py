"""Print the peak memory, in MB, of a 24-layer model reading 2048 tokens, plain or recorded."""

from __future__ import annotations

import resource
import sys
import tempfile

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.data import DataLoader

from attn_monitor import open_run
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import draw
from attn_monitor.monitor.session import Session

LAYERS, HEADS, WIDTH, TOKENS = 24, 16, 1024, 2048


class Block(nn.Module):
    """A pre-norm block on fused attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.project, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.project(self.norm1(x)).unflatten(-1, (3, HEADS, -1))
        mixed = scaled_dot_product_attention(*heads.permute(2, 0, 3, 1, 4))
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(self.wide(self.norm2(x)).relu())


torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Embedding(100, WIDTH), *(Block() for _ in range(LAYERS))).eval()
sentence = torch.randint(1, 100, (TOKENS,))
loader = DataLoader([sentence], batch_size=1)
if sys.argv[1] == "plain":
    with torch.no_grad():
        model(sentence[None])
else:
    with tempfile.TemporaryDirectory() as folder:
        session = Session(
            model=model,
            batches=draw(loader, split="val", count=1, options=MonitorOptions()),
            replay=torch.no_grad()(model),
            run_dir=folder,
            writer=None,
            options=MonitorOptions(),
            failures=Failures(),
        )
        session.record(step=0, epoch=0, scalars={})
        session.close()
        run = open_run(folder)
        (part,) = run.parts
        assert run.metric("row_entropy", part=part).shape == (1, LAYERS, HEADS)
        assert run.thumbnail(step=0, probe=0, part=part, layer=23).cells.shape == (HEADS, 64, 64)
        print(run.kept(0), file=sys.stderr)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
