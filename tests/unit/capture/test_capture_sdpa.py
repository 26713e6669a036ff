"""``F.scaled_dot_product_attention`` against softmax written in float64."""

import pytest
import torch
from capture_oracles import captured, softmax_weights
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

SENTENCES, HEADS, QUERIES, KEYS, D_HEAD = 2, 4, 5, 6, 8
EXACT = 2e-7


class Sdpa(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, query, key, value):
        return scaled_dot_product_attention(query, key, value, **self.options)


def tensor(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def projections(heads=HEADS, keys=KEYS):
    query = tensor(SENTENCES, HEADS, QUERIES, D_HEAD, seed=1)
    key = tensor(SENTENCES, heads, keys, D_HEAD, seed=2)
    return query, key, tensor(SENTENCES, heads, keys, D_HEAD, seed=3)


BOOLEAN = tensor(QUERIES, KEYS, seed=4) > -0.5
ROW_MASKED = BOOLEAN.clone().index_fill_(0, torch.tensor([2]), value=False)


@pytest.mark.parametrize("backend", [None, SDPBackend.MATH])
@pytest.mark.parametrize(
    ("options", "truth"),
    [
        ({}, {}),
        ({"attn_mask": BOOLEAN}, {"visible": BOOLEAN}),
        ({"attn_mask": ROW_MASKED}, {"visible": ROW_MASKED}),
        ({"attn_mask": tensor(HEADS, QUERIES, KEYS)}, {"bias": tensor(HEADS, QUERIES, KEYS)}),
        (
            {"attn_mask": tensor(SENTENCES, 1, 1, KEYS)},
            {"bias": tensor(SENTENCES, 1, 1, KEYS)},
        ),
        ({"scale": 0.7}, {"scale": 0.7}),
        ({"is_causal": True}, {"visible": torch.ones(QUERIES, KEYS, dtype=torch.bool).tril()}),
    ],
)
def test_weights_equal_a_float64_softmax(options, truth, backend):
    query, key, value = projections()
    model = Sdpa(**options)
    if backend is None:
        seen = captured(model, query, key, value)
    else:
        with sdpa_kernel(backend):
            seen = captured(model, query, key, value)
    record = seen.records[0]
    assert len(seen.records) == 1
    assert (record.weights() - softmax_weights(query, key, **truth)).abs().max() <= EXACT
    # A mask without a sentence axis makes PyTorch choose the unfused backend by itself.
    unfused = backend is not None or getattr(options.get("attn_mask"), "ndim", 0) == 3
    assert record.evidence == ("model" if unfused else "verified")
    assert record.error <= 1e-6
    assert torch.equal(record.value, value)


@pytest.mark.parametrize("causal", [False, True])
def test_grouped_queries_share_keys(causal):
    query, key, value = projections(heads=2, keys=QUERIES)
    seen = captured(Sdpa(enable_gqa=True, is_causal=causal), query, key, value)
    record = seen.records[0]
    visible = torch.ones(QUERIES, QUERIES, dtype=torch.bool).tril() if causal else None
    truth = softmax_weights(query, key, visible=visible)
    assert (record.weights() - truth).abs().max() <= EXACT
    assert record.heads == HEADS
    assert record.causal is causal
    assert record.weights(heads=[3, 1]).sub(truth[:, [3, 1]]).abs().max() <= EXACT


def test_any_selection_equals_the_same_part_of_the_whole():
    query, key, value = projections()
    record = captured(Sdpa(attn_mask=BOOLEAN), query, key, value).records[0]
    whole = record.weights()
    assert torch.equal(
        record.weights(slice(1, 2), [0, 2], [4, 0]), whole[1:2][:, [0, 2]][:, :, [4, 0]]
    )
    assert torch.equal(record.weights(torch.tensor([1])), whole[1:2])
    rebuilt = torch.zeros_like(whole)
    for sentence, head, row, block in record.blocks(max_elements=2 * KEYS):
        assert block.shape[0] <= 2
        rebuilt[sentence, head, row : row + len(block)] = block
    torch.testing.assert_close(rebuilt, whole, atol=1e-7, rtol=0)


def test_logit_max_is_the_largest_visible_score():
    query, key, value = projections()
    record = captured(Sdpa(attn_mask=BOOLEAN), query, key, value).records[0]
    scores = (query @ key.transpose(-1, -2) * D_HEAD**-0.5).masked_fill(~BOOLEAN, -torch.inf)
    torch.testing.assert_close(record.logit_max(), scores.amax((-1, -2)))


def test_bf16_weights_match_the_same_arithmetic():
    query, key, value = (t.bfloat16() for t in projections())
    record = captured(Sdpa(), query, key, value).records[0]
    assert (record.weights() - softmax_weights(query, key)).abs().max() <= 3e-3
    assert record.weights().dtype == torch.float32
    assert record.evidence == "verified"


@pytest.mark.parametrize("masked", [False, True])
def test_a_query_that_is_nan_stays_nan_where_the_kernel_writes_zero(masked):
    query, key, value = (torch.randn(1, 2, 3, 4) for _ in range(3))
    query[0, 0, 1] = torch.nan
    mask = torch.tensor([[True, False, True], [True] * 3, [False] * 3]) if masked else None

    class Fused(nn.Module):
        def forward(self, q, k, v):
            return scaled_dot_product_attention(q, k, v, attn_mask=mask)

    (record,) = captured(Fused(), query, key, value).records
    weights = record.weights()
    assert weights[0, 0, 1].isnan().all()
    assert weights.isnan().sum() == 3
    if masked:
        assert weights[0, :, 2].eq(0).all()
    assert (record.evidence, record.error) == ("unverified", None)
