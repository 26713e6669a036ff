"""No false alarm: types of transformers whose masks hold, small and random, padded both ways."""

import pytest
import torch
from masked_models import sentences

from attn_monitor import audit_masks

transformers = pytest.importorskip("transformers")

CAUSAL = """
arcee bart bert bert-generation big_bird biogpt bitnet bloom camembert cohere cohere2 data2vec-text
diffllama doge ernie ernie4_5 gemma glm gpt2 gpt_bigcode gpt_neox gptj granite helium llama marian
mbart ministral mistral mixtral nanochat nemotron olmo olmo2 olmoe openai-gpt opt pegasus persimmon
phi phi3 phimoe qwen2 qwen3 roberta roformer smollm3 stablelm starcoder2 xglm xlm
"""
BOTH_WAYS = """
albert bert camembert data2vec-text deberta-v2 distilbert electra ernie eurobert gte megatron-bert
modernbert mpnet nomic_bert rembert roberta roformer
"""
TRANSLATES = "bart t5 mbart"
READS_PADDING = ("convbert", "fnet", "mobilebert")  # by construction: convolutions, Fourier mixing
SIZES = {
    64: "vocab_size max_position_embeddings n_positions n_ctx",
    16: "hidden_size n_embd d_model dim emb_dim intermediate_size ffn_dim encoder_ffn_dim "
    "decoder_ffn_dim d_ff",
    8: "head_dim d_kv embedding_size",
    2: "num_attention_heads n_head n_heads num_heads num_key_value_heads rotary_dim num_experts "
    "encoder_attention_heads decoder_attention_heads num_local_experts num_experts_per_tok "
    "eos_token_id",
    1: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers "
    "num_decoder_layers bos_token_id decoder_start_token_id",
    0: "pad_token_id",
}


def built(name, auto):
    kind = transformers.CONFIG_MAPPING[name]
    known = kind()
    sizes = {
        key: size
        for size, keys in SIZES.items()
        for key in keys.split()
        if isinstance(getattr(known, key, ""), int | None)
    }
    if getattr(known, "layer_types", None):
        sizes["layer_types"] = list(known.layer_types[:1])
    torch.manual_seed(0)
    return auto.from_config(kind(**sizes))


def test_no_false_alarm_on_sixty_types_that_have_a_rule():
    assert len(f"{CAUSAL} {BOTH_WAYS}".split()) >= 60
    wrong, has_rule = {}, {True: 0, False: 0}
    for names, auto, rule in (
        (CAUSAL, transformers.AutoModelForCausalLM, "future"),
        (BOTH_WAYS, transformers.AutoModelForMaskedLM, "padding"),
        (TRANSLATES, transformers.AutoModelForSeq2SeqLM, "padding"),
    ):
        for at, name in enumerate(names.split()):
            batch = sentences(5, 8, left=at % 2 == 1)
            if names is TRANSLATES:
                batch["decoder_input_ids"] = torch.randint(3, 50, (2, 4))
            audit = audit_masks(built(name, auto), batch)
            if audit.holds is not True:
                wrong[name] = audit.sentence
            has_rule[names is CAUSAL] += rule in {check.rule for check in audit.checks}
    assert wrong == {}
    assert has_rule[True] >= 35  # others of BERT's kind declare nothing, and nothing is claimed
    assert has_rule[False] == len(f"{BOTH_WAYS} {TRANSLATES}".split())


@pytest.mark.parametrize("name", READS_PADDING)
def test_types_that_read_padding_by_construction_do(name):
    """The oracle: with other embeddings at the padding, other outputs at the words."""
    model = built(name, transformers.AutoModelForMaskedLM).eval()
    batch = sentences(5, 8)
    audit = audit_masks(model, batch)
    assert audit.holds is False
    hidden = batch["attention_mask"] == 0
    table = model.get_input_embeddings()

    def moved(_, args, out):
        if args[0].shape != hidden.shape:
            return out
        return out + 3 * torch.randn(out.shape) * hidden[..., None]

    with torch.no_grad():
        before = model(**batch).logits
        handle = table.register_forward_hook(moved)
        after = model(**batch).logits
        handle.remove()
    assert (after - before)[~hidden].abs().max() > 1e-4
