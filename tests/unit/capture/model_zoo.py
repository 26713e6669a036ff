"""Tiny random models of Hugging Face's families: what is built, run, and expected of each."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import transformers
from torch import Tensor

transformers.logging.set_verbosity_error()

TOKENS, TARGETS = 9, 5
IDS = torch.randint(3, 50, (2, TOKENS), generator=torch.Generator().manual_seed(0))
RIGHT = torch.ones(2, TOKENS, dtype=torch.long).index_put_(
    (torch.tensor([1, 1, 1]), torch.tensor([6, 7, 8])), torch.tensor(0)
)
LEFT = RIGHT.flip(1)
SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SPECIAL = {
    key: SMALL[key] for key in ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id")
}
SEQ2SEQ = {
    **SPECIAL,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 37,
    "decoder_start_token_id": 1,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One model of the matrix.

    Attributes:
        name: How people call it.
        feature: What makes its attention worth a row.
        config: Makes a tiny configuration.
        inputs: What it is run on.
        valid: Which query rows are words, ``[sentence, query]``, where padding makes two
            implementations differ on purpose (fully masked rows: 0 or uniform); ``None`` for all.
        implementations: Which of Hugging Face's attention implementations it has.
        parts: Expected streams and how many layers each.
        causal: Which of them are causal.
    """

    name: str
    feature: str
    config: Callable[[], transformers.PretrainedConfig]
    inputs: dict[str, Tensor]
    valid: Tensor | None = None
    implementations: tuple[str, ...] = ("eager", "sdpa")
    parts: dict[str, int] = field(default_factory=lambda: {"encoder": 2})
    causal: tuple[str, ...] = ()
    shared: bool = False

    def build(self, implementation: str) -> torch.nn.Module:
        """Return the model with seeded random weights."""
        config = self.config()
        torch.manual_seed(0)
        model_class = transformers.AutoModel._model_mapping[type(config)]
        model = model_class._from_config(config, attn_implementation=implementation)
        return model.eval()


PADDED = {"input_ids": IDS, "attention_mask": RIGHT}
LEFT_PADDED = {"input_ids": IDS, "attention_mask": LEFT}
WORDS = RIGHT.bool()
TRANSLATED = {**PADDED, "decoder_input_ids": IDS[:, :TARGETS]}
IMAGES = {"pixel_values": torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))}
LARGER = {"pixel_values": torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))}
SOUND = {
    "input_features": torch.randn(2, 8, 30, generator=torch.Generator().manual_seed(1)),
    "decoder_input_ids": IDS[:, :TARGETS],
}
DECODER = {"parts": {"decoder": 2}, "causal": ("decoder",)}
TRANSLATOR = {"parts": {"encoder": 2, "decoder": 2, "cross": 2}, "causal": ("decoder",)}
EAGER = ("eager",)
FLEX = ("eager", "sdpa", "flex_attention")

ZOO = (
    Entry(
        name="BERT",
        feature="padding",
        config=lambda: transformers.BertConfig(**SMALL),
        inputs=PADDED,
    ),
    Entry(
        name="GPT-2",
        feature="left padding",
        config=lambda: transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, **SPECIAL),
        inputs=LEFT_PADDED,
        valid=LEFT.bool(),
        **DECODER,
    ),
    Entry(
        name="Llama",
        feature="rotary positions, grouped queries",
        config=lambda: transformers.LlamaConfig(num_key_value_heads=2, **SMALL),
        inputs=PADDED,
        implementations=FLEX,
        valid=WORDS,
        **DECODER,
    ),
    Entry(
        name="Mistral",
        feature="sliding window",
        config=lambda: transformers.MistralConfig(num_key_value_heads=2, sliding_window=3, **SMALL),
        inputs=PADDED,
        valid=WORDS,
        **DECODER,
    ),
    Entry(
        name="Gemma 2",
        feature="soft-capped scores, sliding window",
        config=lambda: transformers.Gemma2Config(
            num_key_value_heads=2, head_dim=8, sliding_window=3, **SMALL
        ),
        inputs=PADDED,
        implementations=("eager", "flex_attention"),
        valid=WORDS,
        **DECODER,
    ),
    Entry(
        name="T5",
        feature="relative position bias, cross-attention",
        config=lambda: transformers.T5Config(
            d_model=32,
            d_kv=8,
            d_ff=37,
            num_layers=2,
            num_heads=4,
            initializer_factor=0.5,  # T5 does not scale its scores
            **SPECIAL,
        ),
        inputs=TRANSLATED,
        **TRANSLATOR,
    ),
    Entry(
        name="Marian",
        feature="cross-attention",
        config=lambda: transformers.MarianConfig(max_position_embeddings=32, **SEQ2SEQ),
        inputs=TRANSLATED,
        **TRANSLATOR,
    ),
    Entry(
        name="Whisper",
        feature="sound encoder, cross-attention",
        config=lambda: transformers.WhisperConfig(
            num_mel_bins=8, max_source_positions=15, max_target_positions=20, **SEQ2SEQ
        ),
        inputs=SOUND,
        **TRANSLATOR,
    ),
    Entry(
        name="ViT",
        feature="image patches",
        config=lambda: transformers.ViTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=37,
            image_size=16,
            patch_size=4,
        ),
        inputs=IMAGES,
    ),
    Entry(
        name="Swin",
        feature="shifted windows",
        config=lambda: transformers.SwinConfig(
            image_size=32,
            patch_size=2,
            embed_dim=16,
            depths=[2, 1],
            num_heads=[2, 4],
            window_size=4,
        ),
        inputs=LARGER,
        parts={"encoder.layers.0.blocks": 2, "encoder.layers.1.blocks.0.attention": 1},
    ),
    Entry(
        name="ModernBERT",
        feature="rotary positions, local and global layers",
        config=lambda: transformers.ModernBertConfig(
            local_attention=4, global_attn_every_n_layers=2, **SMALL
        ),
        inputs=PADDED,
        valid=WORDS,
    ),
    Entry(
        name="DeBERTa-v2",
        feature="disentangled positions",
        config=lambda: transformers.DebertaV2Config(
            relative_attention=True,
            pos_att_type=["p2c", "c2p"],
            position_buckets=4,
            max_relative_positions=8,
            **SMALL,
        ),
        inputs=PADDED,
        implementations=EAGER,
    ),
    Entry(
        name="BLOOM",
        feature="ALiBi",
        config=lambda: transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=4, **SPECIAL),
        inputs=PADDED,
        implementations=EAGER,
        **DECODER,
    ),
    Entry(
        name="MPT",
        feature="ALiBi",
        config=lambda: transformers.MptConfig(
            d_model=32, n_layers=2, n_heads=4, max_seq_len=32, **SPECIAL
        ),
        inputs=PADDED,
        implementations=EAGER,
        **DECODER,
    ),
    Entry(
        name="XLNet",
        feature="relative positions by einsum",
        config=lambda: transformers.XLNetConfig(
            d_model=32, n_layer=2, n_head=4, d_inner=37, **SPECIAL
        ),
        inputs=PADDED,
        implementations=EAGER,
    ),
    Entry(
        name="gpt-oss",
        feature="attention sinks, mixture of experts",
        config=lambda: transformers.GptOssConfig(
            num_key_value_heads=2,
            head_dim=8,
            num_local_experts=2,
            num_experts_per_tok=1,
            sliding_window=3,
            **{**SMALL, "intermediate_size": 32},
        ),
        inputs=PADDED,
        implementations=EAGER,
        **DECODER,
    ),
    Entry(
        name="DeepSeek-V3",
        feature="latent attention (MLA)",
        config=lambda: transformers.DeepseekV3Config(
            num_key_value_heads=4,
            moe_intermediate_size=16,
            n_routed_experts=4,
            n_group=2,
            topk_group=1,
            num_experts_per_tok=2,
            first_k_dense_replace=1,
            kv_lora_rank=8,
            q_lora_rank=8,
            qk_rope_head_dim=4,
            qk_nope_head_dim=8,
            v_head_dim=8,
            **SMALL,
        ),
        inputs=PADDED,
        valid=WORDS,
        **DECODER,
    ),
    Entry(
        name="ALBERT",
        feature="one layer called twice",
        config=lambda: transformers.AlbertConfig(embedding_size=16, **SMALL),
        inputs=PADDED,
        shared=True,
    ),
)
