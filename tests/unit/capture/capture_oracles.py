"""Attention computed the slow, obvious way."""

import torch
from torch import nn

from attn_monitor.capture import AttentionCapture, capture


def captured(model, *args, **kwargs):
    """Run a model with and without capture: outputs must be identical, errors none."""
    model.eval()
    with torch.no_grad():
        plain = model(*args, **kwargs)
        with capture(model) as attention:
            watched = model(*args, **kwargs)
    assert_identical(plain, watched)
    if attention.errors:
        raise AssertionError("\n".join(attention.errors))
    return attention


def assert_identical(plain, watched):
    for mine, other in zip(tensors(plain), tensors(watched), strict=True):
        assert torch.equal(torch.nan_to_num(mine, 7.0), torch.nan_to_num(other, 7.0))


def tensors(output):
    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return [t for item in output for t in tensors(item)]
    return []


def softmax_weights(query, key, *, visible=None, bias=None, scale=None):
    """Weights of one call, in float64, from ``[sentence, head, token, d_head]``."""
    key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scores = query.double() @ key.double().transpose(-1, -2)
    scores = scores * (query.shape[-1] ** -0.5 if scale is None else scale)
    if bias is not None:
        scores = scores + bias
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)
    return scores.softmax(-1).nan_to_num(0.0)


def encoder_layer_weights(layer: nn.TransformerEncoderLayer, x, visible):
    """The weights of an encoder layer, from its own parameters."""
    source = layer.norm1(x) if layer.norm_first else x
    attention = layer.self_attn
    stacked = nn.functional.linear(source, attention.in_proj_weight, attention.in_proj_bias)
    query, key, _ = stacked.unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return softmax_weights(query, key, visible=visible)


def error(attention: AttentionCapture, truth, record=0, rows=None):
    """Largest difference from the truth, on the rows where ``rows`` (``[sentence, query]``)."""
    difference = (attention.records[record].weights() - truth).abs()
    if rows is not None:
        difference = difference.transpose(1, 2)[rows]
    return difference.max().item()
