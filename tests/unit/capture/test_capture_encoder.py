"""``nn.TransformerEncoder`` on its fused path, against its own layers computed step by step."""

import pytest
import torch
from capture_oracles import captured, encoder_layer_weights
from torch import nn

from attn_monitor.capture import capture

SENTENCES, TOKENS, WIDTH, HEADS, LAYERS = 3, 7, 16, 4, 3
LENGTHS = torch.tensor([5, 3, 6])
PADDING = torch.arange(TOKENS)[None] >= LENGTHS[:, None]
CAUSAL = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
EXACT = 2e-7


def encoder(**options):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True, **options)
    model = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=not options.get("norm_first"))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


def tokens():
    return torch.randn(SENTENCES, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


def layer_inputs(model, x, **masks):
    """The input of every layer, computed by running the layers one after the other."""
    inputs = []
    with torch.no_grad():
        for layer in model.layers:
            inputs.append(x)
            x = layer(
                x,
                src_mask=masks.get("mask"),
                src_key_padding_mask=masks.get("src_key_padding_mask"),
            )
    return inputs


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padding", [False, True])
def test_fused_weights_equal_the_layers_own_arithmetic_on_valid_rows(norm_first, causal, padding):
    model, x = encoder(norm_first=norm_first), tokens()
    masks = {}
    if causal:
        masks["mask"] = CAUSAL
    if padding:
        masks["src_key_padding_mask"] = PADDING
    attention = captured(model, x, **masks)
    assert attention.parts == (("decoder",) if causal else ("encoder",))
    part = attention[attention.parts[0]]
    assert part.layers == ("layers.0", "layers.1", "layers.2")
    visible = torch.ones(SENTENCES, 1, TOKENS, TOKENS, dtype=torch.bool)
    if causal:
        visible = visible & torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    if padding:
        visible = visible & ~PADDING[:, None, None]
    rows = ~PADDING if padding else torch.ones_like(PADDING)
    for layer, source in enumerate(layer_inputs(model, x, **masks)):
        truth = encoder_layer_weights(model.layers[layer], source, visible)
        assert (part.weights(layer) - truth).abs().transpose(1, 2)[rows].max() <= EXACT
        assert part.part.layers[layer].evidence == "verified"
        assert part.part.layers[layer].error <= 1e-5
    assert part.part.causal is causal


def test_nested_tensors_come_back_at_the_batchs_width_with_zeros_in_the_padding():
    model, x = encoder(), tokens()
    attention = captured(model, x, src_key_padding_mask=PADDING)
    assert attention.records[0].source == "_transformer_encoder_layer_fwd"
    weights = attention["encoder"].weights(0)
    assert weights.shape == (SENTENCES, HEADS, TOKENS, TOKENS)
    assert weights.transpose(1, 2)[PADDING].abs().max() == 0
    assert weights.permute(0, 3, 1, 2)[PADDING].abs().max() == 0
    torch.testing.assert_close(weights.sum(-1).amin(1), (~PADDING).float())


def test_a_float_mask_is_followed_as_the_fused_kernel_reads_it():
    """The kernel hides every key whose mask entry is not 0; the capture shows what really ran."""
    model, x = encoder(), tokens()
    bias = torch.zeros(TOKENS, TOKENS)
    bias[:, 2] = -0.5
    attention = captured(model, x, mask=bias)
    assert attention["encoder"].weights(0)[..., 2].max() == 0
    assert attention.records[0].evidence == "verified"


def test_training_mode_records_the_dropped_out_weights_that_the_model_used():
    model, x = encoder().train(), tokens()
    with capture(model) as attention:
        model(x).sum().backward()
    assert [record.module for record in attention.records] == [
        f"layers.{layer}.self_attn" for layer in range(LAYERS)
    ]
    assert model.training
    assert not attention.records[0].query.requires_grad


def test_output_projection_turns_weighted_values_into_the_layers_attention_output():
    model, x = encoder(), tokens()
    record = captured(model, x).records[0]
    mixed = (record.weights() @ record.value).transpose(1, 2).flatten(2)
    with torch.no_grad():
        truth, _ = model.layers[0].self_attn(x, x, x, need_weights=False)
    bias = model.layers[0].self_attn.out_proj.bias
    torch.testing.assert_close(mixed @ record.output_projection + bias, truth, atol=1e-5, rtol=0)


def test_an_encoder_inside_a_classifier_reports_output_and_last_hidden_states():
    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = encoder()
            self.head = nn.Linear(WIDTH, 3)

        def forward(self, x, padding):
            return self.head(self.encoder(x, src_key_padding_mask=padding).mean(1))

    model, x = Classifier(), tokens()
    attention = captured(model, x, PADDING)
    with torch.no_grad():
        hidden = model.encoder(x, src_key_padding_mask=PADDING)
        assert torch.equal(attention.outputs.answer, model(x, PADDING))
    assert torch.equal(attention.outputs.last_hidden, hidden)
    assert attention["encoder"].layers[0] == "encoder.layers.0"


def test_weights_that_are_nan_stay_nan_and_are_not_called_verified():
    model, x = encoder(), tokens()
    with torch.no_grad():
        model.layers[1].self_attn.in_proj_weight.fill_(float("nan"))
    attention = captured(model, x, src_key_padding_mask=PADDING)
    first, broken, _ = attention.records
    assert first.evidence == "verified"
    assert broken.weights().transpose(1, 2)[~PADDING].isnan().all()
    assert broken.weights().transpose(1, 2)[PADDING].eq(0).all()
    assert (broken.evidence, broken.error) == ("unverified", None)
