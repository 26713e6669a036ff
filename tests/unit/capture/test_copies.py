"""A copied call says what the call says, whatever becomes of the model's tensors meanwhile."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, LlamaConfig, LlamaModel

from attn_monitor.capture import capture
from attn_monitor.capture.copies import bytes_of_copy, copied
from attn_monitor.capture.sizes import output_factor, sizes_of

HEADS, WIDTH, TOKENS = 4, 16, 9
NAMES = {"vocab_size": 50, "hidden_size": WIDTH, "num_attention_heads": HEADS}
IDS = torch.randint(0, 50, (3, TOKENS), generator=torch.Generator().manual_seed(1))
MASK = torch.tensor([[1] * TOKENS, [1] * 6 + [0] * 3, [1] * 4 + [0] * 5])


def bert(kernel="sdpa"):
    small = {"intermediate_size": 16, "num_hidden_layers": 1, "attn_implementation": kernel}
    return BertModel(BertConfig(**NAMES, **small))


def gpt2():
    small = {"vocab_size": 50, "n_embd": WIDTH, "n_layer": 1, "n_head": HEADS}
    return GPT2Model(GPT2Config(**small, bos_token_id=0, eos_token_id=0))


def llama():
    small = {"intermediate_size": 16, "num_hidden_layers": 1, "num_key_value_heads": 2}
    return LlamaModel(LlamaConfig(**NAMES, **small))


class Fused(nn.Module):
    """An encoder layer that runs as one operator."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, WIDTH)
        self.layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, batch_first=True)

    def forward(self, ids, attention_mask):
        return self.layer(self.embed(ids), src_key_padding_mask=attention_mask == 0)


MODELS = {"padding": bert, "causal, packed": gpt2, "grouped, rotary": llama, "fused layer": Fused}


def shown(record):
    """Return everything that a recorded step reads of a call."""
    factor = record.factor
    sizes = sizes_of(record, factor, keep=True)
    found = [record.weights(), record.query, record.key, record.value, record.logit_max()]
    return [*found, sizes.reads, sizes.writes, sizes.query, sizes.key, sizes.value, sizes.largest,
            sizes.mean, sizes.weights]  # fmt: skip


def spoiled(record):
    """Write to every tensor that a record leads to."""
    rule = record.rule
    kept = [each.tensor for each in (record.mixed, record.projected) if each is not None]
    for tensor in [record.query, record.key, record.value, rule.query, rule.key, rule.mask, *kept]:
        if tensor is not None:
            whole = tensor.untyped_storage()
            torch.empty(0, dtype=torch.uint8).set_(whole).fill_(255)


@pytest.mark.parametrize("name", MODELS)
def test_a_copy_shows_the_same_after_everything_else_was_written_to(name):
    torch.manual_seed(0)
    model, found = MODELS[name]().eval(), []

    def keep(record):
        record.factor = output_factor(record)
        wanted = [each if each is None else each.clone() for each in shown(record)]
        copy = copied(record)
        copy.factor = record.factor
        assert bytes_of_copy(record) >= sum(
            each.numel() * 4 for each in (record.query, record.key, record.value)
        )
        spoiled(record)
        found.append((wanted, shown(copy)))

    with torch.no_grad(), capture(model, sink=keep, verify=False) as seen:
        model(IDS, attention_mask=MASK)
    assert seen.errors == []
    ((wanted, shows),) = found
    assert wanted[6] is not None  # what heads write is known
    for one, other in zip(wanted, shows, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)


def test_what_had_been_written_to_stays_what_it_was():
    """Weights times values that the model changed are not weights times values."""
    model, found = bert().eval(), []

    def keep(record):
        record.mixed = replace(record.mixed, version=record.mixed.version - 1)
        found.append(copied(record))
        assert bytes_of_copy(record) is not None

    with torch.no_grad(), capture(model, sink=keep, verify=False):
        model(IDS)
    (copy,) = found
    assert not copy.mixed.unchanged


def test_weights_that_the_model_made_are_read_at_once():
    sizes = []
    with torch.no_grad(), capture(
        bert("eager").eval(), sink=lambda r: sizes.append(bytes_of_copy(r)), verify=False
    ) as seen:  # fmt: skip
        seen.model(IDS)
    assert sizes == [None]


def test_a_mask_that_repeats_is_copied_once():
    found = []

    def keep(record):
        wide = torch.zeros(3, 1, 1, TOKENS).expand(3, HEADS, TOKENS, TOKENS)
        masked = replace(record, rule=replace(record.rule, mask=wide))
        found.append(bytes_of_copy(masked) - bytes_of_copy(record))
        mask = copied(masked).rule.mask
        found.append((mask.shape, mask.untyped_storage().nbytes()))

    with torch.no_grad(), capture(bert().eval(), sink=keep, verify=False) as seen:
        seen.model(IDS)
    assert seen.errors == []
    assert found == [3 * TOKENS * 4, ((3, HEADS, TOKENS, TOKENS), 3 * TOKENS * 4)]
