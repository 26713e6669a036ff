"""Layers whose heads are of unlike width: each head's vectors are its own, and nothing beside."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attn_monitor import AttentionRecorder, open_run


class Funnel(nn.Module):
    """Self-attention at several widths: [(width, heads), ...]."""

    def __init__(self, layers):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(50, 12)
        into = [12, *(width for width, _ in layers)]
        self.project = nn.ModuleList(map(nn.Linear, into, into[1:]))
        self.attend = nn.ModuleList(nn.MultiheadAttention(*la, batch_first=True) for la in layers)
        self.out = nn.Linear(into[-1], 50)

    def forward(self, ids):
        x = self.embed(ids)
        for project, attend in zip(self.project, self.attend, strict=True):
            x = project(x)
            x = x + attend(x, x, x, need_weights=False)[0]
        return self.out(x)

    def vectors(self, ids):
        """[layer] of query, key and value, each [head, token, d_head], worked out by hand."""
        x, found = self.embed(ids), []
        for project, attend in zip(self.project, self.attend, strict=True):
            x = project(x)
            three = F.linear(x, attend.in_proj_weight, attend.in_proj_bias).chunk(3, dim=-1)
            found.append(
                [one.unflatten(-1, (attend.num_heads, -1)).movedim(-2, 0) for one in three]
            )
            x = x + attend(x[None], x[None], x[None], need_weights=False)[0][0]
        return found


@pytest.mark.parametrize(
    "layers", [[(16, 4), (32, 4)], [(32, 4), (16, 4)], [(32, 2), (32, 8), (16, 4)]]
)
def test_every_head_has_the_vectors_it_used(tmp_path, layers):
    model = Funnel(layers)
    ids = torch.randint(1, 50, (80, 7))
    few = {"lens_sentences": 2, "signal_sentences": 2, "audit": False}
    words = lambda ids: [str(one) for one in ids]  # noqa: E731
    with AttentionRecorder(
        model, [ids], train_batches=[ids], log_dir=tmp_path, tokens=words, **few
    ) as recorder:
        recorder.record(step=0, epoch=0)
    run = open_run(tmp_path)
    (part,) = run.parts
    for layer, (width, heads) in enumerate(layers):
        for head in range(heads):
            seen = run.vectors(step=0, part=part, layer=layer, head=head)
            assert seen.query.shape[1] == width // heads
            for probe in set(seen.query_probe.tolist()):
                words = torch.tensor([int(word) for word in run.probe(probe).source.text])
                for name, rows, true in zip(
                    ("query", "key", "value"),
                    (seen.query_probe, seen.key_probe, seen.key_probe),
                    model.vectors(words)[layer],
                    strict=True,
                ):
                    found = getattr(seen, name)[rows == probe]
                    np.testing.assert_allclose(found, true[head].detach(), rtol=2e-3, atol=2e-3)
