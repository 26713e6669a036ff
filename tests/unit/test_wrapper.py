import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn.modules import module as torch_module

from attn_monitor import Wrapper
from attn_monitor.core.errors import NothingCapturedError, TokenLengthError

SRC, TGT = torch.rand(2, 5, 16), torch.rand(2, 4, 16)


@pytest.fixture
def transformer():
    torch.manual_seed(0)
    return nn.Transformer(16, 2, 2, 2, 32, batch_first=True).eval()


def test_without_the_flag_the_output_is_equal_and_nothing_is_installed(transformer):
    plain = transformer(SRC, TGT)
    wrapper = Wrapper(transformer)
    assert torch.equal(wrapper(SRC, TGT), plain)
    assert torch.equal(wrapper.forward(SRC, TGT), plain)
    assert wrapper.last is None
    assert not torch_module._global_forward_hooks
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in wrapper.modules())


def test_the_listing_of_cs559_draws_a_figure_and_returns_the_same_output(transformer):
    wrapper = Wrapper(transformer)
    with torch.no_grad():
        plain = transformer(SRC, TGT)
        out = wrapper.forward(SRC, TGT, viz=True, show=False)
    assert torch.equal(out, plain)
    assert isinstance(wrapper.figure, Figure)
    assert wrapper.last is not None
    assert wrapper.last.parts == ("encoder", "decoder", "cross")
    assert wrapper.last["cross"].weights(0).shape == (2, 2, 4, 5)


def test_it_works_in_training_mode_and_keeps_gradients(transformer):
    transformer.train()
    wrapper = Wrapper(transformer)
    wrapper(SRC, TGT, viz=True, show=False).sum().backward()
    assert transformer.training
    assert all(p.grad is not None for p in transformer.parameters())


def test_a_single_attention_module_can_be_wrapped():
    attention = nn.MultiheadAttention(16, 4, batch_first=True)
    wrapper = Wrapper(attention)
    wrapper(SRC, SRC, SRC, viz=True, head=3, tokens=list("abcde"), show=False)
    assert wrapper.last is not None
    assert wrapper.last["encoder"].weights(0).shape == (2, 4, 5, 5)


def test_a_module_without_attention_is_named():
    with pytest.raises(NothingCapturedError, match="Linear"):
        Wrapper(nn.Linear(16, 2))(SRC, viz=True)


def test_tokens_that_do_not_fit_are_refused(transformer):
    with pytest.raises(TokenLengthError, match="got 2 tokens for 5 positions of part 'encoder'"):
        Wrapper(transformer)(SRC, TGT, viz=True, tokens=["a", "b"], show=False)
