"""The CUDA kernels: how their arguments are read, everywhere; what they give, where a GPU is."""

import pytest
import torch
from capture_oracles import captured, softmax_weights
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from attn_monitor.capture import capture
from attn_monitor.capture.families import observer_of
from attn_monitor.capture.operators import OperatorCall

SENTENCES, HEADS, TOKENS, D_HEAD = 2, 4, 16, 64
EXACT = 2e-7
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


class Attend(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, query, key, value):
        return scaled_dot_product_attention(query, key, value, **self.options)


def tensors(dtype=torch.float32, device="cpu"):
    generator = torch.Generator().manual_seed(0)
    shape = (3, SENTENCES, HEADS, TOKENS, D_HEAD)
    return torch.randn(shape, generator=generator).to(device, dtype).unbind()


# Operator -> arguments after q, k, v, in the order of its schema: bias, flags, dropout, causal.
KERNELS = {
    "_scaled_dot_product_flash_attention": (0.0, True),
    "_scaled_dot_product_efficient_attention": (None, False, 0.0, True),
    "_scaled_dot_product_cudnn_attention": (None, False, 0.0, True),
    "_scaled_dot_product_fused_attention_overrideable": (None, 0.0, True),
}


@pytest.mark.parametrize("name", KERNELS)
def test_arguments_of_a_cuda_kernel_are_read_by_their_names_in_its_schema(name):
    """The kernel itself is not run: the CPU's answer stands in for its output."""
    operator = getattr(torch.ops.aten, name).default
    inputs = tensors()
    output = scaled_dot_product_attention(*inputs, is_causal=True, scale=0.05)
    call = OperatorCall(operator, (*inputs, *KERNELS[name]), {"scale": 0.05}, (output,))
    with capture(nn.Identity()) as attention:
        attention.tracer.guarded(observer_of(operator), call)
    assert attention.errors == []
    (record,) = attention.records
    visible = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    truth = softmax_weights(*inputs[:2], visible=visible, scale=0.05)
    assert (record.weights() - truth).abs().max() <= EXACT
    assert record.evidence == "verified"
    assert record.source == name


@pytest.mark.parametrize(
    ("name", "between"),
    [
        ("_flash_attention_forward", ()),
        ("_efficient_attention_forward", (None,)),
    ],
)
def test_arguments_of_a_packed_cuda_kernel_are_read_by_their_names(name, between):
    operator = getattr(torch.ops.aten, name).default
    lengths = (TOKENS, TOKENS - 5)
    ends = torch.tensor([0, lengths[0], sum(lengths)], dtype=torch.int32)
    dense = tensors()
    packed = [
        torch.cat([t[i, :, :n].transpose(0, 1) for i, n in enumerate(lengths)]) for t in dense
    ]
    outputs = [
        scaled_dot_product_attention(*(t[i : i + 1, :, :n] for t in dense))
        for i, n in enumerate(lengths)
    ]
    output = torch.cat([o[0].transpose(0, 1) for o in outputs])
    last = (0.0, 0) if between else (0.0, False, False)  # dropout, then causal or mask type
    arguments = (*packed, *between, ends, ends, TOKENS, TOKENS, *last)
    with capture(nn.Identity()) as attention:
        call = OperatorCall(operator, arguments, {}, (output,))
        attention.tracer.guarded(observer_of(operator), call)
    assert attention.errors == []
    (record,) = attention.records
    for number, n in enumerate(lengths):
        query, key, _ = (t[number : number + 1, :, :n] for t in dense)
        weights = record.weights()[number, :, :n, :n]
        assert (weights - softmax_weights(query, key)[0]).abs().max() <= EXACT
    assert record.evidence == "verified"


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "backend",
    [
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.MATH,
    ],
)
@pytest.mark.parametrize("causal", [False, True])
def test_every_cuda_backend_is_captured(backend, dtype, causal):
    inputs = tensors(dtype, "cuda")
    with sdpa_kernel(backend):
        (record,) = captured(Attend(is_causal=causal), *inputs).records
    visible = torch.ones(TOKENS, TOKENS, dtype=torch.bool, device="cuda").tril() if causal else None
    truth = softmax_weights(*inputs[:2], visible=visible)
    assert (record.weights() - truth).abs().max() <= 3e-3
    assert record.evidence in {"verified", "model"}
