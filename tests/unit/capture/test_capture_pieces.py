"""One attention in several pieces: windows, chunks, joined softmaxes, weights of another make."""

import math

import pytest
import torch
from capture_oracles import captured
from torch import nn
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import scaled_dot_product_attention

from attn_monitor.capture import capture

WIDTH, HEADS, TOKENS, SENTENCES = 16, 2, 6, 2


class Attention(nn.Module):
    """Projections, and the weights that :meth:`mix` really used, in their true positions."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.true = None

    def heads(self, x):
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def forward(self, x):
        q, k, v = (self.heads(p(x)) for p in (self.q, self.k, self.v))
        self.values = v
        return self.o(self.mix(q, k, v).transpose(1, 2).flatten(2))

    def softmax(self, scores, visible=None):
        if visible is not None:
            scores = scores.masked_fill(~visible, -torch.inf)
        self.true = scores.softmax(-1)
        return self.true


class QueryBlocks(Attention):
    def mix(self, q, k, v):
        self.softmax(q @ k.mT)
        return torch.cat([(part @ k.mT).softmax(-1) @ v for part in q.split(4, 2)], 2)


class FusedBlocksInABuffer(Attention):
    def mix(self, q, k, v):
        self.softmax(q @ k.mT / math.sqrt(WIDTH // HEADS))
        out = torch.zeros_like(q)
        for first in range(0, TOKENS, 2):
            rows = slice(first, first + 2)
            out[:, :, rows] = scaled_dot_product_attention(q[:, :, rows], k, v)
        return out


class KeyBlocks(Attention):
    """Keys block by block, each with its share of one softmax, as a running sum."""

    def mix(self, q, k, v):
        self.softmax(q @ k.mT)
        total = torch.logsumexp(q @ k.mT, -1, keepdim=True)
        out = torch.zeros_like(q)
        for first in range(0, TOKENS, 3):
            keys = slice(first, first + 3)
            out += torch.exp(q @ k[:, :, keys].mT - total) @ v[:, :, keys]
        return out


class Packed(Attention):
    """One call per image inside one module call."""

    def mix(self, q, k, v):
        blocks = torch.block_diag(torch.ones(4, 4), torch.ones(2, 2)).bool()
        self.softmax(q @ k.mT, blocks)
        parts = zip(*(x.split([4, 2], 2) for x in (q, k, v)), strict=True)
        return torch.cat([(a @ b.mT).softmax(-1) @ c for a, b, c in parts], 2)


class LocalWindows(Attention):
    """Windows cut after the projection, with one window of keys to the left."""

    def mix(self, q, k, v):
        block = torch.arange(TOKENS) // 2
        behind = block[:, None] - block[None]
        self.softmax(q @ k.mT, (behind == 0) | (behind == 1))
        q, k, v = (x.unflatten(2, (3, 2)) for x in (q, k, v))
        k, v = (
            torch.cat([nn.functional.pad(x, (0, 0, 0, 0, 1, 0))[:, :, :-1], x], 3) for x in (k, v)
        )
        scores = q @ k.mT
        scores[:, :, 0, :, :2] = -torch.inf
        return (scores.softmax(-1) @ v).flatten(2, 3)


class FlexBlocks(Attention):
    """One call per image: the operator joins tuples of what its functions read."""

    def mix(self, q, k, v):
        blocks = torch.block_diag(torch.ones(4, 4), torch.ones(2, 2)).bool()
        self.softmax(q @ k.mT / math.sqrt(WIDTH // HEADS), blocks)
        parts = zip(*(x.split([4, 2], 2) for x in (q, k, v)), strict=True)
        return torch.cat([flex_attention(*part) for part in parts], 2)


class FilledSlices(Attention):
    """Scores are copied into slices of a fresh tensor."""

    def mix(self, q, k, v):
        scores = q @ k.mT
        banded = torch.full(scores.shape, -1e9)
        banded[..., :3, :3] = scores[..., :3, :3]
        banded[..., 3:, 3:] = scores[..., 3:, 3:]
        return self.softmax(banded) @ v


class ExpOfLogarithms(Attention):
    def mix(self, q, k, v):
        scores = q @ k.mT
        self.true = scores.softmax(-1)
        return torch.exp(scores - torch.logsumexp(scores, -1, keepdim=True)) @ v


class ExpOfLogSoftmax(Attention):
    def mix(self, q, k, v):
        self.true = (q @ k.mT).softmax(-1)
        return (q @ k.mT).log_softmax(-1).exp() @ v


class Arccos(Attention):
    """No softmax at all."""

    def mix(self, q, k, v):
        q, k = (nn.functional.normalize(x, dim=-1) for x in (q, k))
        self.true = (1 - torch.acos(0.99 * (q @ k.mT)) / math.pi) ** 4
        return self.true @ v


class Distances(Attention):
    def mix(self, q, k, v):
        self.true = (-(torch.cdist(q, k) ** 2)).softmax(-1)
        return self.true @ v


class HardOneHot(Attention):
    def mix(self, q, k, v):
        soft = (q @ k.mT).softmax(-1)
        hard = torch.zeros_like(soft).scatter_(-1, soft.max(-1, keepdim=True)[1], 1.0)
        self.true = hard - soft.detach() + soft
        return self.true @ v


class Landmarks(Attention):
    """Weights times weights times values: the steps in between are no layers."""

    def mix(self, q, k, v):
        few_q, few_k = (x.unflatten(2, (3, 2)).mean(3) for x in (q, k))
        first, middle, last = (
            (a @ b.mT).softmax(-1) for a, b in ((q, few_k), (few_q, few_k), (few_q, k))
        )
        inverse = middle
        for _ in range(2):
            inverse = inverse @ (2 * torch.eye(3) - middle @ inverse)
        self.true = first @ inverse @ last
        return (first @ inverse) @ (last @ v)


WHOLE = (
    *(QueryBlocks, FusedBlocksInABuffer, KeyBlocks, Packed, LocalWindows, FilledSlices),
    *(ExpOfLogarithms, ExpOfLogSoftmax, Arccos, Distances, HardOneHot, Landmarks),
)


def run(model):
    torch.manual_seed(0)
    model = model()
    return model, captured(model, torch.randn(SENTENCES, TOKENS, WIDTH))


@pytest.mark.parametrize("model", WHOLE)
def test_what_one_call_puts_together_is_one_layer_in_true_positions(model):
    model, attention = run(model)
    (record,) = attention.records
    assert record.shape == (SENTENCES, HEADS, TOKENS, TOKENS) == tuple(record.weights().shape)
    torch.testing.assert_close(record.weights(), model.true, atol=1e-5, rtol=0)
    part = record.weights([1], [1, 0], [4, 0, 2])
    assert torch.equal(part, record.weights()[[1]][:, [1, 0]][:, :, [4, 0, 2]])
    assert record.evidence in {"model", "verified"}
    assert [len(part.layers) for part in attention.arrangement] == [1]
    assert torch.equal(record.output_projection, model.o.weight.T)
    assert torch.equal(record.value, model.values)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_pieces_of_flex_attention_are_one_layer_too():
    model, attention = run(lambda: FlexBlocks().requires_grad_(False))
    (record,) = attention.records
    torch.testing.assert_close(record.weights(), model.true, atol=1e-5, rtol=0)


class TwoStreams(Attention):
    """Tokens and global tokens share one softmax: each product keeps its own slice."""

    def __init__(self, count):
        super().__init__()
        self.count = count
        self.apart = nn.Parameter(torch.randn(SENTENCES, count, WIDTH))

    def forward(self, x):
        other = x[:, : self.count] if self.count == TOKENS // 2 else self.apart
        q = self.heads(self.q(x))
        few, many = q @ self.heads(self.k(other)).mT, q @ self.heads(self.k(x)).mT
        self.true = torch.cat([few, many], -1).softmax(-1)
        first = self.true[..., : self.count] @ self.heads(self.v(other))
        mixed = first + self.true[..., self.count :] @ self.heads(self.v(x))
        return self.o(mixed.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("count", [3, 4, TOKENS])
def test_two_products_under_one_softmax_keep_their_own_slices(count):
    model, attention = run(lambda: TwoStreams(count))
    few, many = sorted(attention.records, key=lambda r: (r.shape[3], r.kind == "self"))
    assert few.shape == (SENTENCES, HEADS, TOKENS, count) == tuple(few.weights().shape)
    assert many.shape == (SENTENCES, HEADS, TOKENS, TOKENS)
    torch.testing.assert_close(few.weights(), model.true[..., :count], atol=1e-6, rtol=0)
    torch.testing.assert_close(many.weights(), model.true[..., count:], atol=1e-6, rtol=0)
    assert attention.parts


def test_a_scorer_that_picks_keys_is_no_layer():
    class Indexer(Attention):
        def __init__(self):
            super().__init__()
            self.w = nn.Linear(WIDTH, HEADS)

        def forward(self, x):
            q, k = self.q(x).unflatten(-1, (HEADS, -1)), self.k(x)[..., : WIDTH // HEADS]
            scores = torch.relu(q @ k.mT[:, None])
            picked = (self.w(x)[:, :, None] @ scores).squeeze(-2).topk(2, -1).indices
            visible = torch.zeros(*x.shape[:2], TOKENS, dtype=torch.bool).scatter(-1, picked, True)
            q, k, v = (self.heads(p(x)) for p in (self.q, self.k, self.v))
            mixed = self.softmax(q @ k.mT, visible[:, None]) @ v
            return self.o(mixed.transpose(1, 2).flatten(2))

    model, attention = run(Indexer)
    (record,) = attention.records
    assert torch.equal(record.weights(), model.true)


def test_two_attentions_that_are_projected_apart_stay_two_layers():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = QueryBlocks(), Packed()

        def forward(self, x):
            both = [m.mix(*(m.heads(p(x)) for p in (m.q, m.k, m.v))) for m in self.children()]
            x = x + self.first.o(both[0].transpose(1, 2).flatten(2))
            return x + self.second.o(both[1].transpose(1, 2).flatten(2))

    model, attention = run(Both)
    assert [record.call for record in attention.records] == [0, 1]
    for record, one in zip(attention.records, model.children(), strict=True):
        torch.testing.assert_close(record.weights(), one.true, atol=1e-5, rtol=0)
        assert torch.equal(record.output_projection, one.o.weight.T)


def test_gradients_and_outputs_are_those_of_the_unwatched_model():
    for kind in WHOLE:
        torch.manual_seed(0)
        model, x = kind(), torch.randn(SENTENCES, TOKENS, WIDTH)
        gradients = []
        for watched in (False, True):
            model.zero_grad()
            if watched:
                with capture(model):
                    model(x).square().sum().backward()
            else:
                model(x).square().sum().backward()
            gradients.append([p.grad.clone() for p in model.parameters()])
        assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True)), kind


def test_projections_by_convolution_leave_one_call_as_it_is():
    """SqueezeBERT: channels before tokens, and fewer tokens than channels."""

    class Convolved(Attention):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Conv1d(WIDTH, WIDTH, 1) for _ in range(4))

        def forward(self, x):
            q, k, v = (self.heads(p(x.mT).mT) for p in (self.q, self.k, self.v))
            mixed = self.softmax(q @ k.mT) @ v
            return self.o(mixed.transpose(2, 3).flatten(1, 2)).mT

    model, attention = run(Convolved)
    (record,) = attention.records
    assert torch.equal(record.weights(), model.true)
    assert record.evidence == "model"
    assert torch.equal(record.output_projection, model.o.weight[..., 0].T)


class Differential(Attention):
    """Two calls with all queries and keys, one subtracted from the other: neither is a piece."""

    def mix(self, q, k, v):
        self.softmax(q @ k.mT)
        first, second = ((q @ k.mT).softmax(-1) @ x.repeat(1, 2, 1, 1) for x in v.split(1, 1))
        both = torch.cat([first, second], -1)
        return (both[:, :1] - 0.3 * both[:, 1:]).unflatten(-1, (2, -1)).squeeze(1).transpose(1, 2)


def test_attentions_that_are_subtracted_stay_two_maps():
    model, attention = run(Differential)
    assert len(attention.records) == 2
    for record in attention.records:
        assert torch.equal(record.weights(), model.true)
        assert record.output_projection is None
    assert [len(part.layers) for part in attention.arrangement] == [1, 1]


class ClampedBlocks(LocalWindows):
    """Gemma's audio tower: values are clamped after their projection, then cut into blocks."""

    def heads(self, x):
        return super().heads(x.clamp(-2, 2))


def test_values_that_are_clamped_begin_where_they_are_cut():
    model, attention = run(ClampedBlocks)
    (record,) = attention.records
    assert record.shape == (SENTENCES, HEADS, TOKENS, TOKENS)
    torch.testing.assert_close(record.weights(), model.true, atol=1e-5, rtol=0)


class JointBySentence(nn.Module):
    """Mochi: image and text ask together, sentence by sentence, and are projected apart."""

    def __init__(self, order):
        super().__init__()
        self.order = order
        self.image, self.text = Attention(), Attention()

    def forward(self, x):
        both = ((self.image, x[:, :4]), (self.text, x[:, 4:]))
        q, k, v = (
            torch.cat([m.heads(getattr(m, name)(part)) for m, part in both], 2) for name in "qkv"
        )
        exact = q.detach().double() @ k.detach().double().mT / math.sqrt(q.shape[-1])
        self.true, self.values = exact.softmax(-1), v
        rows = zip(q.split(1), k.split(1), v.split(1), strict=True)
        mixed = torch.cat([scaled_dot_product_attention(*one) for one in rows])
        parts = mixed.transpose(1, 2).flatten(2).split([4, 2], 1)
        slices = {"image": parts[0], "text": parts[1]}
        return sum(getattr(self, name).o(slices[name]).mean() for name in self.order)


BOTH = ("image", "text")


@pytest.mark.parametrize(
    ("order", "dtype", "bound"),
    [
        (BOTH, torch.float32, 1e-5),
        (BOTH[::-1], torch.float32, 1e-5),
        (BOTH[:1], torch.float32, 1e-5),
        (BOTH[1:], torch.float32, 1e-5),
        (BOTH, torch.bfloat16, 5e-3),
    ],
)
def test_joint_attention_whose_kinds_of_tokens_are_projected_apart_is_one_map(order, dtype, bound):
    torch.manual_seed(0)
    model = JointBySentence(order).to(dtype)
    (record,) = captured(model, torch.randn(SENTENCES, TOKENS, WIDTH, dtype=dtype)).records
    assert (record.kind, record.evidence) == ("self", "verified")
    assert record.shape == (SENTENCES, HEADS, TOKENS, TOKENS)
    torch.testing.assert_close(record.weights().double(), model.true, atol=bound, rtol=0)
    assert torch.equal(record.weights([1], [1], [5, 0]), record.weights()[1:, 1:, [5, 0]])
    assert torch.equal(record.value, model.values)
    assert record.query.dtype == dtype
    assert record.output_projection is None  # there are two
