"""Print the peak memory, in MB, of one forward pass of a 24-layer model on 2048 tokens."""

from __future__ import annotations

import resource
import sys

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from attn_monitor.capture import capture
from attn_monitor.capture.thumbnail import thumbnail
from attn_monitor.core.maps import Maps
from attn_monitor.monitor.streamed import metrics_head_by_head

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


def reduce(record):
    """Take all metrics and all thumbnails of one layer."""
    logits = record.logit_max()

    def maps_of(head):
        weights = record.weights(slice(0, 1), slice(head, head + 1))[0].numpy()
        return Maps(attn=weights, logit_max=logits[0, head : head + 1].numpy())

    seen.append((metrics_head_by_head(record.heads, maps_of), thumbnail(record)))


seen = []
torch.manual_seed(0)
model = nn.Sequential(*(Block() for _ in range(LAYERS))).eval()
x = torch.randn(1, TOKENS, WIDTH)
with torch.no_grad():
    if sys.argv[1] == "plain":
        model(x)
    else:
        with capture(model, sink=reduce, verify=False) as attention:
            model(x)
        assert len(seen) == LAYERS, attention.errors
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
