"""What mixes tokens without asking queries for keys is no layer: better no map than a wrong one."""

import pytest
import torch
from capture_oracles import captured
from torch import nn

D, T = 16, 8


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, D)
        self.mix = nn.Linear(T, T)


class Mixer(Block):
    def forward(self, x):
        x = x + self.mix(x.mT).mT
        return x + self.b(nn.functional.gelu(self.a(x)))


class SpatialGate(Block):
    """gMLP: one half, mixed over tokens by a learned matrix, gates the other."""

    def forward(self, x):
        u, v = nn.functional.gelu(self.a(x)), self.b(x)
        return self.c(u * self.mix(v.mT).mT)


class SoftmaxedMixing(Block):
    """A learned matrix with a softmax over keys, the same for every sentence (Synthesizer)."""

    def forward(self, x):
        return self.c(self.mix.weight.softmax(-1) @ self.b(x))


class Fourier(Block):
    def forward(self, x):
        return self.b(nn.functional.gelu(self.a(torch.fft.fft2(x).real)))


class SqueezeExcite(Block):
    def forward(self, x):
        gate = torch.sigmoid(self.b(torch.relu(self.a(x.mean(1, keepdim=True)))))
        return self.c(x * gate)


class SelectiveScan(Block):
    """Mamba: a state per channel, step by step."""

    def forward(self, x):
        step, into, out = nn.functional.softplus(self.a(x)), self.b(x), self.c(x)
        state, seen = x.new_zeros(len(x), D, D), []
        for t in range(T):
            decay = torch.exp(-step[:, t, :, None])
            state = decay * state + (step[:, t] * x[:, t])[..., None] * into[:, t, None]
            seen.append((state @ out[:, t, :, None]).squeeze(-1))
        return torch.stack(seen, 1)


class ChunkedStates(Block):
    """Mamba-2: inside a chunk a product of two projections, under a mask that decays."""

    def forward(self, x):
        decay = torch.tril(torch.exp(-torch.arange(T)[:, None] + torch.arange(T)[None].float()))
        return self.c((self.a(x) @ self.b(x).mT * decay) @ x)


class LinearAttention(Block):
    def forward(self, x):
        q, k = (nn.functional.elu(p(x)) + 1 for p in (self.a, self.b))
        return q @ (k.mT @ self.c(x)) / (q @ k.sum(1, keepdim=True).mT)


class BilinearGate(Block):
    """A product of two activations, shaped and multiplied with a third: over channels."""

    def forward(self, x):
        gate = torch.tanh(self.a(x).mT @ self.b(x))
        return self.c(x) @ gate


class Gram(Block):
    """The similarity of tokens, used as features."""

    def __init__(self):
        super().__init__()
        self.read = nn.Linear(T, D)

    def forward(self, x):
        return self.read(torch.tanh(self.a(x) @ self.b(x).mT))


class Mixture(Block):
    """Soft mixture of experts: a softmax over experts weighs what they said."""

    def __init__(self):
        super().__init__()
        self.route = nn.Linear(D, 3)
        self.experts = nn.ModuleList(nn.Linear(D, D) for _ in range(3))

    def forward(self, x):
        said = torch.stack([expert(x) for expert in self.experts], -2)
        return self.c((self.route(x).softmax(-1)[..., None, :] @ said).squeeze(-2))


NONE = (
    *(Mixer, SpatialGate, SoftmaxedMixing, Fourier, SqueezeExcite, SelectiveScan, ChunkedStates),
    *(LinearAttention, BilinearGate, Gram, Mixture),
)


@pytest.mark.parametrize("block", NONE)
def test_what_mixes_tokens_without_queries_and_keys_is_no_layer(block):
    torch.manual_seed(0)
    attention = captured(nn.Sequential(block(), block()), torch.randn(2, T, D))
    assert attention.records == []
