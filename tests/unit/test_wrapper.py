"""``Wrapper(module)(x, viz=True)``: the library of CS559 (C1-C3, C10, C12-C17)."""

import copy
import io

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure
from torch import nn
from torch.nn.modules import module as torch_module

from attn_monitor import Wrapper
from attn_monitor.core.errors import ConfigurationError, NothingCapturedError, TokenLengthError
from attn_monitor.wrapper import planes_of

SRC, TGT = torch.rand(2, 5, 16), torch.rand(2, 4, 16)
UNSEEN = {"show": False}


@pytest.fixture
def transformer():
    torch.manual_seed(0)
    return nn.Transformer(16, 2, 2, 2, 32, batch_first=True).eval()


class Classifier(nn.Module):
    """An encoder with a class layer that reads its first state, or the mean of all."""

    def __init__(self, pool="first"):
        super().__init__()
        torch.manual_seed(1)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.classify = nn.Linear(16, 3)
        self.pool = pool

    def forward(self, x, mask=None):
        states = self.encoder(x, src_key_padding_mask=mask)
        pools = {"first": states[:, 0], "mean": states.mean(1), "max": states.amax(1)}
        return self.classify(pools[self.pool])


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")  # PyTorch, of its own defaults
def test_the_listing_of_cs559_line_by_line():
    torch.manual_seed(0)
    data = torch.rand(10, 1, 512), torch.rand(7, 1, 512)
    transformer = nn.Transformer().eval()
    output = transformer.forward(*data)
    transformer = Wrapper(transformer)
    assert torch.equal(transformer.forward(*data), output)
    assert transformer.figure is None
    assert torch.equal(transformer.forward(*data, viz=True), output)
    assert isinstance(transformer.figure, Figure)
    assert transformer.last.parts == ("encoder", "decoder", "cross")
    assert transformer.last["cross"].weights(5).shape == (1, 8, 7, 10)


def test_without_the_flag_the_output_is_equal_and_nothing_is_installed(transformer):
    plain = transformer(SRC, TGT)
    wrapper = Wrapper(transformer)
    assert torch.equal(wrapper(SRC, TGT), plain)
    assert torch.equal(wrapper.forward(SRC, TGT), plain)
    assert wrapper.last is None
    assert not torch_module._global_forward_hooks
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in wrapper.modules())


def test_no_argument_of_the_module_is_taken_for_an_option():
    class Takes(nn.Module):
        def forward(self, *, head, tokens, show, part):
            return head, tokens, show, part

    taken = {"head": 1, "tokens": 2, "show": 3, "part": 4}
    assert Wrapper(Takes())(**taken) == (1, 2, 3, 4)


def test_it_works_in_training_mode_keeps_gradients_and_says_so(transformer):
    wrapper = Wrapper(transformer.train())
    assert wrapper.training
    wrapper(SRC, TGT, viz=UNSEEN).sum().backward()
    assert transformer.training
    assert all(p.grad is not None for p in transformer.parameters())
    assert "encoder and decoder, mean of heads, training mode" in texts(wrapper.figure)
    wrapper.eval()(SRC, TGT, viz=UNSEEN)
    assert "encoder and decoder, mean of heads, evaluation mode" in texts(wrapper.figure)


def test_in_training_mode_the_random_numbers_of_the_module_are_the_same(transformer):
    transformer.train()
    torch.manual_seed(3)
    plain = transformer(SRC, TGT)
    torch.manual_seed(3)
    assert torch.equal(Wrapper(transformer)(SRC, TGT, viz=UNSEEN), plain)


def test_a_single_attention_module_can_be_wrapped():
    attention = nn.MultiheadAttention(16, 4, batch_first=True)
    wrapper = Wrapper(attention)
    wrapper(SRC, SRC, SRC, viz={"head": 3, "tokens": list("abcde"), "show": False})
    assert wrapper.last["encoder"].weights(0).shape == (2, 4, 5, 5)
    assert {"encoder, head 4, training mode", *"abcde"} <= set(texts(wrapper.figure))


def test_an_encoder_and_decoder_are_drawn_in_one_picture(transformer):
    wrapper = Wrapper(transformer)
    words, mots = list("abcde"), list("wxyz")
    wrapper(SRC, TGT, viz={"tokens": words, "target_tokens": mots, "show": False})
    planes = planes_of.planes_of(
        wrapper.last, planes_of.Sentence(tokens=words, target_tokens=mots, index=1)
    )
    assert [p.name for p in planes] == ["Encoder 1", "Encoder 2", "Decoder 1", "Decoder 2"]
    assert planes[-1].tokens == (*mots, *words)
    seen = planes[-1].attn
    np.testing.assert_array_equal(seen[:, :4, :4], wrapper.last["decoder"].weights(1)[1].detach())
    np.testing.assert_array_equal(seen[:, :4, 4:], wrapper.last["cross"].weights(1)[1].detach())
    assert not seen[:, 4:].any()
    for part in ("decoder", "cross"):
        wrapper.draw(part=part, tokens=words, target_tokens=mots, show=False)
        assert set(mots) <= set(texts(wrapper.figure))


def test_padding_is_left_out():
    model = Classifier().eval()
    mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    wrapper = Wrapper(model)
    with torch.no_grad():
        wrapper(SRC, mask, viz={"sentence": 1, "tokens": ["a", "b", "c"], "show": False})
    planes = planes_of.planes_of(wrapper.last, planes_of.Sentence(index=1))
    assert planes[0].attn.shape == (2, 3, 3)
    np.testing.assert_allclose(planes[0].attn.sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("pool", ["first", "mean"])
def test_the_class_layer_is_drawn_with_what_each_word_adds(pool):
    model = Classifier(pool).eval()
    wrapper = Wrapper(model)
    with torch.no_grad():
        logits = wrapper(SRC, viz={"classes": ["bad", "so", "good"], "show": False})
    chances = logits[0].softmax(0)
    written = texts(wrapper.figure)
    assert {f"good {chances[2]:.2f}", f"bad {chances[0]:.2f}"} <= set(written)
    from attn_monitor.wrapper.class_layer import class_nodes

    nodes = class_nodes(wrapper.last, sentence=0, names=None, tokens=5)
    states = wrapper.last.outputs.last_hidden[0]
    parts = np.stack([node.shares for node in nodes], axis=1)
    bias = model.classify.bias.detach().numpy()
    np.testing.assert_allclose(parts.sum(0) + bias, logits[0], atol=1e-5)
    alone = (states @ model.classify.weight.T).detach().numpy()
    expected = np.where(np.arange(5)[:, None] == 0, alone, 0) if pool == "first" else alone / 5
    np.testing.assert_allclose(parts, expected, atol=1e-5)


def test_what_words_add_is_unknown_where_the_class_layer_is_not_linear_in_them():
    from attn_monitor.wrapper.class_layer import class_nodes

    wrapper = Wrapper(Classifier("max").eval())
    wrapper(SRC, viz=UNSEEN)
    nodes = class_nodes(wrapper.last, sentence=1, names=None, tokens=5)
    assert [node.shares for node in nodes] == [None] * 3
    assert sum(node.probability for node in nodes) == pytest.approx(1)


def test_models_without_a_class_layer_get_no_classes(transformer):
    wrapper = Wrapper(transformer)
    wrapper(SRC, TGT, viz=UNSEEN)
    from attn_monitor.wrapper.class_layer import class_nodes

    assert class_nodes(wrapper.last, sentence=0, names=None, tokens=4) == ()


def test_the_last_pass_is_drawn_again_in_other_ways(transformer):
    wrapper = Wrapper(transformer)
    wrapper(SRC, TGT, viz=UNSEEN)
    first, before = wrapper.figure, wrapper.last
    for options in (
        {"head": "all", "length": "weight"},
        {"head": "max", "norm": "rank", "colour": "head", "mass": 0.5},
        {"norm": "log", "count": 3, "special": True},
        {"norm": "raw", "level": 0.2, "per_token": None},
    ):
        assert wrapper.draw(**options, show=False) is wrapper.figure is not first
    with torch.no_grad():
        transformer.encoder.layers[0].self_attn.in_proj_weight.mul_(3)
    wrapper(SRC, TGT, viz={"against": before, "show": False})
    assert any("colour: change" in text for text in texts(wrapper.figure))


def test_hostile_words_stay_text():
    wrapper = Wrapper(nn.MultiheadAttention(16, 4, batch_first=True))
    words = ["$x_{", "<b>", "\\frac", "\n", "\x00"]
    wrapper(SRC, SRC, SRC, viz={"tokens": words, "show": False})
    wrapper.figure.savefig(io.BytesIO(), format="png")
    assert {"$x_{", "<b>", "\\frac"} <= set(texts(wrapper.figure))


def test_a_module_without_attention_is_named():
    with pytest.raises(NothingCapturedError, match="Linear"):
        Wrapper(nn.Linear(16, 2))(SRC, viz=True)


def test_what_cannot_be_drawn_is_refused(transformer):
    wrapper = Wrapper(transformer)
    with pytest.raises(NothingCapturedError, match="run the module with viz=True first"):
        wrapper.draw()
    with pytest.raises(TokenLengthError, match="got 2 tokens for 5 positions; give one for each"):
        wrapper(SRC, TGT, viz={"tokens": ["a", "b"], "show": False})
    with pytest.raises(ConfigurationError, match="sentence 2 is not one of 0 to 1"):
        wrapper.draw(sentence=2, show=False)
    with pytest.raises(
        ConfigurationError, match="part 'heart' was not seen; choose one of 'encoder', 'decoder'"
    ):
        wrapper.draw(part="heart", show=False)
    classifier = Wrapper(Classifier())
    with pytest.raises(ConfigurationError, match="got 1 names for the 3 outputs"):
        classifier(SRC, viz={"classes": ["one"], "show": False})


def test_the_wrapper_has_the_attributes_of_its_module_and_copies_without_what_it_saw(transformer):
    wrapper = Wrapper(transformer)
    assert wrapper.d_model == 16
    assert wrapper.encoder is transformer.encoder
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = wrapper.nothing
    wrapper(SRC, TGT, viz=UNSEEN)
    twin = copy.deepcopy(wrapper)
    assert twin.last is None
    assert torch.equal(twin(SRC, TGT), wrapper(SRC, TGT))


def test_on_a_server_without_a_screen_no_window_is_kept(transformer):
    assert matplotlib.get_backend().lower() == "agg"
    wrapper = Wrapper(transformer)
    for _ in range(3):
        wrapper(SRC, TGT, viz=True)
    assert pyplot.get_fignums() == []


def test_where_there_is_a_screen_the_figure_has_a_window(transformer):
    pyplot.switch_backend("module://window_backend")
    try:
        wrapper = Wrapper(transformer)
        wrapper(SRC, TGT, viz=True)
        assert wrapper.figure.canvas.manager.shown
        assert pyplot.get_fignums() == [wrapper.figure.number]
    finally:
        pyplot.close("all")
        pyplot.switch_backend("agg")
