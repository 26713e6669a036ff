"""Extension kernels and jagged tensors: a stand-in kernel with flash-attn's calling convention."""

import ctypes
from itertools import pairwise

import pytest
import torch
from capture_oracles import captured, softmax_weights
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from attn_monitor.capture import capture
from attn_monitor.capture.families import flash_attention
from attn_monitor.capture.kernels import forget_kernel, register_kernel
from attn_monitor.core.errors import ConfigurationError

HEADS, WIDTH, D_HEAD = 4, 32, 8
LENGTHS = (5, 3)
EXACT = 2e-7


def through_numpy(array):
    """Hide an operation from PyTorch, as compiled code would."""
    return torch.from_numpy(array.numpy().copy())


def flash_attn_func(  # noqa: PLR0917  # the package's own order
    q,
    k,
    v,
    dropout_p=0.0,  # noqa: ARG001
    softmax_scale=None,
    causal=False,
    window_size=(-1, -1),
    softcap=0.0,
    alibi_slopes=None,
):
    """Stand in for flash-attn: same arguments, ``[sentence, token, head, d_head]``."""
    q, k, v = (t.transpose(1, 2).double() for t in (q, k, v))
    scale = q.shape[-1] ** -0.5 if softmax_scale is None else softmax_scale
    scores = q @ k.repeat_interleave(q.shape[1] // k.shape[1], 1).mT * scale
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    own = torch.arange(q.shape[2])[:, None] + k.shape[2] - q.shape[2]
    keys = torch.arange(k.shape[2])[None]
    if alibi_slopes is not None:
        scores = scores - alibi_slopes[:, None, None] * (own - keys).abs()
    left, right = window_size
    hidden = torch.zeros_like(own - keys, dtype=torch.bool)
    if causal:
        right = 0
    if right >= 0:
        hidden |= keys > own + right
    if left >= 0:
        hidden |= keys < own - left
    weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
    mixed = weights @ v.repeat_interleave(q.shape[1] // v.shape[1], 1)
    flash_attn_func.truth = weights
    return through_numpy(mixed.transpose(1, 2).float())


def flash_attn_varlen_func(  # noqa: PLR0917  # the package's own order
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, causal=False
):
    """Stand in for the packed variant, sentence by sentence."""
    assert max_seqlen_q == max_seqlen_k == cu_seqlens_q.diff().max()
    assert torch.equal(cu_seqlens_q, cu_seqlens_k)
    pieces = [[t[None, a:b] for t in (q, k, v)] for a, b in pairwise(cu_seqlens_q)]
    return torch.cat([flash_attn_func(*piece, causal=causal)[0] for piece in pieces])


def hot(q, k, v):
    """Attend with a temperature that no argument tells."""
    return flash_attn_func(2 * q, k, v)


@pytest.fixture(autouse=True)
def registered():
    register_kernel(flash_attn_func)
    register_kernel(flash_attn_varlen_func, flash_attention.varlen)
    yield
    forget_kernel(flash_attn_func)
    forget_kernel(flash_attn_varlen_func)


class Flash(nn.Module):
    def __init__(self, key_heads=HEADS, **options):
        super().__init__()
        torch.manual_seed(0)
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key, self.value = (nn.Linear(WIDTH, key_heads * D_HEAD) for _ in range(2))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.options = options
        self.alias = [flash_attn_func]  # models hold the function wherever they like

    def forward(self, x):
        q, k, v = (p(x).unflatten(-1, (-1, D_HEAD)) for p in (self.query, self.key, self.value))
        return self.out(self.alias[0](q, k, v, **self.options).flatten(2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"softmax_scale": 0.3},
        {"causal": True},
        {"window_size": (2, 1)},
        {"causal": True, "window_size": (2, 0)},
        {"softcap": 0.5},
        {"alibi_slopes": torch.linspace(0.1, 1.0, HEADS)},
        {"key_heads": 2, "causal": True},
    ],
)
def test_flash_attentions_calling_convention_is_understood(options):
    model, x = Flash(**options), torch.randn(2, 6, WIDTH)
    (record,) = captured(model, x).records
    assert (record.weights() - flash_attn_func.truth).abs().max() <= EXACT
    assert (record.weights([1], [2], [3]) - flash_attn_func.truth[1, 2, 3]).abs().max() <= EXACT
    assert record.evidence == "verified"
    assert record.error <= 1e-6
    assert record.kind == "self"
    assert record.source == "flash_attn_func"
    assert record.causal is options.get("causal", False)
    assert torch.equal(record.output_projection, model.out.weight.T)


@pytest.mark.parametrize("causal", [False, True])
def test_packed_sentences_come_back_one_by_one(causal):
    class Packed(nn.Module):
        def forward(self, q, k, v, ends):
            return flash_attn_varlen_func(q, k, v, ends, ends, 5, 5, causal=causal)

    q, k, v = (torch.randn(sum(LENGTHS), HEADS, D_HEAD) for _ in range(3))
    ends = torch.tensor([0, 5, 8], dtype=torch.int32)
    (record,) = captured(Packed(), q, k, v, ends).records
    for sentence, (a, b) in enumerate([(0, 5), (5, 8)]):
        visible = torch.ones(b - a, b - a, dtype=torch.bool).tril() if causal else None
        queries, keys = (t[None, a:b].transpose(1, 2) for t in (q, k))
        truth = softmax_weights(queries, keys, visible=visible)[0]
        weights = record.weights()[sentence]
        assert (weights[:, : b - a, : b - a] - truth).abs().max() <= EXACT
        assert weights.sum(-1)[:, b - a :].abs().max() == 0 if b - a < 5 else True
    assert record.evidence == "verified"


def test_a_recomputation_that_misses_the_output_is_unverified_and_says_by_how_much():
    """A kernel that does more than its arguments say, here a temperature of its own."""

    class Hot(nn.Module):
        def forward(self, q, k, v):
            return hot(q, k, v)

    register_kernel(hot)
    try:
        inputs = [torch.randn(2, 6, HEADS, D_HEAD) for _ in range(3)]
        (record,) = captured(Hot(), *inputs).records
    finally:
        forget_kernel(hot)
    assert record.evidence == "unverified"
    assert record.error > 0.01


def test_an_error_inside_a_family_is_reported_once_and_never_raised():
    def misread(call, _tracer):
        call.tensor("no_such_argument")

    register_kernel(flash_attn_func, misread)
    attention = capture_only(nn.Sequential(Flash(), Flash()), torch.randn(2, 6, WIDTH))
    assert attention.errors == [
        "flash_attn_func: TypeError: flash_attn_func(no_such_argument=...) is NoneType, "
        "wanted a tensor"
    ]
    assert attention.records == []


def capture_only(model, *inputs):
    with torch.no_grad(), capture(model) as attention:
        model(*inputs)
    return attention


def test_a_kernels_function_is_itself_again_after_the_block():
    code, known = flash_attn_func.__code__, set(flash_attn_func.__globals__)
    with capture(Flash()):
        assert flash_attn_func.__code__ is not code
    assert flash_attn_func.__code__ is code
    with pytest.raises(AttributeError, match="transpose"), capture(Flash()):
        flash_attn_func(1, 2, 3)
    assert flash_attn_func.__code__ is code
    assert set(flash_attn_func.__globals__) == known


def test_an_unregistered_kernel_is_missed_and_a_compiled_one_cannot_be_registered():
    forget_kernel(flash_attn_func)
    forget_kernel(flash_attn_varlen_func)

    class Hidden(nn.Module):
        def forward(self, q):
            return through_numpy(q)

    assert captured(Hidden(), torch.randn(2, 3)).records == []
    with pytest.raises(ConfigurationError, match="wanted a Python function without closure"):
        register_kernel(ctypes.CDLL(None).abs)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_jagged_tensors_are_captured_sentence_by_sentence(mode):
    class Jagged(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.projections = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
            self.out = nn.Linear(WIDTH, WIDTH)

        def heads(self, x):
            return [p(x).unflatten(-1, (HEADS, D_HEAD)).transpose(-3, -2) for p in self.projections]

        def forward(self, x):
            mixed = scaled_dot_product_attention(*self.heads(x))
            return self.out(mixed.transpose(1, 2).flatten(-2))

    model = Jagged().eval()
    sentences = [torch.randn(n, WIDTH) for n in LENGTHS]
    nested = torch.nested.nested_tensor(sentences, layout=torch.jagged)
    with mode():
        plain = model(nested).values()
        with capture(model) as attention:
            watched = model(nested).values()
    assert torch.equal(plain, watched)
    assert attention.errors == []
    (record,) = attention.records
    assert record.evidence == "model"
    assert record.kind == "self"
    assert record.output_projection is not None
    for number, sentence in enumerate(sentences):
        n = len(sentence)
        query, key, _ = (t.detach()[None] for t in model.heads(sentence))
        weights = record.weights()[number]
        assert (weights[:, :n, :n] - softmax_weights(query, key)[0]).abs().max() <= EXACT
        assert weights.sum() == pytest.approx(HEADS * n)
