"""Heads that share keys and meet them at once: their queries stand one below the other."""

import pytest
import torch
from capture_oracles import captured
from torch import nn

from attn_monitor import capture

SENTENCES, WIDTH, HEADS, D = 2, 16, 4, 4


class Shared(nn.Module):
    """Four heads of queries, one or two of keys; keeps ``[sentence, head, query, key]``."""

    def __init__(self, attend, *, declared, groups=1):
        super().__init__()
        torch.manual_seed(0)
        if declared:
            self.num_heads = HEADS
        self.groups, self.attend, self.truth = groups, attend, None
        self.query, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.key, self.value = nn.Linear(WIDTH, D * groups), nn.Linear(WIDTH, D * groups)

    def forward(self, x, asking=None):
        asking = x if asking is None else x[:, asking:]
        q = self.query(asking).unflatten(-1, (HEADS, D))
        k, v = (p(x).unflatten(-1, (self.groups, D)) for p in (self.key, self.value))
        mixed, self.truth = self.attend(q, k, v)
        return self.out(mixed.flatten(2))


def einsum(q, k, v):
    weights = torch.einsum("bqhd,bkd->bhqk", q, k[:, :, 0]).softmax(-1)
    return torch.einsum("bhqk,bkd->bqhd", weights, v[:, :, 0]), weights


def all_heads_of_a_query_together(q, k, v):
    queries = q.shape[1]
    scores = q.flatten(1, 2) @ k[:, :, 0].mT
    weights = scores.view(len(q), queries, HEADS, -1).softmax(-1)
    mixed = weights.flatten(1, 2) @ v[:, :, 0]
    return mixed.view(len(q), queries, HEADS, D), weights.transpose(1, 2)


def two_groups(q, k, v):
    q = q.unflatten(2, (2, 2))
    weights = torch.einsum("bqghd,bkgd->bghqk", q, k).softmax(-1)
    return torch.einsum("bghqk,bkgd->bqghd", weights, v).flatten(2, 3), weights.flatten(1, 2)


@pytest.mark.parametrize("asking", [None, 5], ids=["all", "one token"])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "by the tokens"])
@pytest.mark.parametrize("attend", [einsum, all_heads_of_a_query_together, two_groups])
def test_heads_that_share_keys_are_heads_and_no_queries(attend, declared, asking):
    model = Shared(attend, declared=declared, groups=2 if attend is two_groups else 1)
    (record,) = captured(model, torch.randn(SENTENCES, 6, WIDTH), asking).records
    assert torch.equal(record.weights(), model.truth)
    repeated = [t.repeat_interleave(HEADS // t.shape[1], 1) for t in (record.key, record.value)]
    again = (record.query @ repeated[0].mT).softmax(-1)
    assert torch.allclose(again, model.truth, atol=1e-6)
    assert record.output_projection.shape == (WIDTH, WIDTH)
    rows = (record.weights() @ repeated[1]).transpose(1, 2).flatten(2)
    assert torch.allclose(record.projected.tensor, rows.reshape(record.projected.tensor.shape))


def test_one_head_that_asks_from_a_grid_keeps_its_queries():
    def grid(q, k, v):
        q = q[:, :, 0].unflatten(1, (2, 3))
        weights = torch.einsum("bxyd,bkd->bxyk", q, k[:, :, 0]).softmax(-1)
        mixed = torch.einsum("bxyk,bkd->bxyd", weights, v[:, :, 0]).flatten(1, 2)
        return mixed[:, :, None].expand(-1, -1, HEADS, -1), weights.flatten(1, 2)[:, None]

    model = Shared(grid, declared=False)
    (record,) = captured(model, torch.randn(SENTENCES, 6, WIDTH)).records
    assert torch.equal(record.weights(), model.truth)


def test_what_a_pass_that_follows_tokens_found_holds_for_passes_that_do_not():
    """Recorded steps follow nothing, and other sentences may be longer."""
    model = Shared(einsum, declared=False)
    captured(model, torch.randn(SENTENCES, 6, WIDTH))
    for x in (torch.randn(SENTENCES, 6, WIDTH), torch.randn(3, 9, WIDTH)):
        with torch.no_grad(), capture(model, verify=False) as seen:
            model(x)
        assert torch.equal(seen.records[0].weights(), model.truth)
