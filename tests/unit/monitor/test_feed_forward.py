"""The widths of the feed-forward block beside an attention layer."""

import pytest
from torch import nn

from attn_monitor.monitor.feed_forward import feed_forward_widths


@pytest.mark.parametrize("attention", ["encoder.layers.1.self_attn", "encoder.layers.0"])
def test_the_block_around_the_attention_tells_both_widths(attention):
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=32, batch_first=True)
    model = nn.Module()
    model.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model.head = nn.Sequential(nn.Linear(8, 99), nn.Linear(99, 8))
    assert feed_forward_widths(model, attention) == {"d_model": 8, "d_ff": 32}


def test_a_model_without_feed_forward_blocks_has_no_widths():
    model = nn.Module()
    model.attention = nn.MultiheadAttention(8, 2)
    assert feed_forward_widths(model, "attention") == {}
    assert feed_forward_widths(model, "elsewhere") == {}
