"""Metrics of one head at a time equal those of the whole layer."""

import numpy as np
import pytest

from attn_monitor.analysis import compute_metrics
from attn_monitor.core.maps import Maps
from attn_monitor.monitor.streamed import metrics_head_by_head


def maps(attn, *, causal, logit_max):
    return Maps(attn=attn, causal=causal, special=(0,), logit_max=logit_max)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [1, 5])
def test_head_by_head_equals_all_heads_at_once(causal, heads):
    rng = np.random.default_rng(0)
    attn = rng.random((heads, 9, 9)) ** 4
    if causal:
        attn = np.tril(attn)
    attn /= attn.sum(axis=-1, keepdims=True)
    logit_max = rng.normal(size=heads)

    def one(head):
        chosen = slice(head, head + 1)
        return maps(attn[chosen], causal=causal, logit_max=logit_max[chosen])

    whole = compute_metrics(maps(attn, causal=causal, logit_max=logit_max))
    np.testing.assert_allclose(metrics_head_by_head(heads, one), whole, atol=1e-6)
