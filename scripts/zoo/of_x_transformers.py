"""x-transformers: each of its options that changes attention, alone."""

from __future__ import annotations

import inspect
from importlib import metadata

import torch
from entry import Entry, drawn
from x_transformers import Decoder, Encoder, TransformerWrapper, XTransformer
from x_transformers.x_transformers import Attention, AttentionLayers

TITLE = "x-transformers"
# Options that are numbers, or make sense with another one only.
_MORE: dict[str, dict[str, object]] = {
    "nothing": {},
    "kv_heads": {"attn_kv_heads": 2},
    "sparse_topk": {"attn_sparse_topk": 4},
    "sparse_topk_straight_through": {
        "attn_sparse_topk": 4,
        "attn_sparse_topk_straight_through": True,
    },
    "num_mem_kv": {"attn_num_mem_kv": 3},
    "value_dim_head": {"attn_value_dim_head": 4},
    "max_attend_past": {"attn_max_attend_past": 4},
    "rotary_xpos": {"rotary_pos_emb": True, "rotary_xpos": True},
    "alibi_num_heads": {"alibi_pos_bias": True, "alibi_num_heads": 2},
    "sandwich_coef": {"sandwich_coef": 1},
    "shift_tokens": {"shift_tokens": 1},
    "num_residual_streams": {"num_residual_streams": 2},
    "cope_talking_heads": {"attn_use_cope": True, "attn_cope_talking_heads": True},
    "use_latent_q": {"attn_use_latent_q": True, "attn_dim_latent_q": 16},
    "use_latent_kv": {"attn_use_latent_kv": True, "attn_dim_latent_kv": 16},
    "data_dependent_alibi_per_row": {
        "attn_data_dependent_alibi": True,
        "attn_data_dependent_alibi_per_row": True,
    },
    "output_proj_depth": {"attn_output_proj_depth": 2},
    "rotate_num_heads": {"rotary_pos_emb": True, "attn_rotate_num_heads": 2},
    "qk_norm_dim_scale": {"attn_qk_norm": True, "attn_qk_norm_dim_scale": True},
    "attn_learned_value_residual_mix": {"add_value_residual": True},
    "memories": {},
    "cross": {},
    "encoder and decoder": {},
}
_WORDS, _TOKENS = 50, 12


def version() -> str:
    """Return the library's version."""
    return metadata.version("x-transformers")


def names() -> list[str]:
    """Return every option with the three ways to use it."""
    switches = {
        *(f"attn_{n}" for n in _switches(Attention.__init__)),
        *_switches(AttentionLayers.__init__),
    } - {"causal", "attn_causal", "attn_flash", "verbose", "only_cross", "cross_attend"}
    options = [*_MORE, *sorted(switches)]
    return [f"{option}/{way}" for option in options for way in ("decoder", "flash", "encoder")]


def built(name: str) -> Entry:
    """Return a language model, or an encoder with padded words, that has one option."""
    option, _, way = name.partition("/")
    chosen = _MORE.get(option, {option: True})
    torch.manual_seed(1)
    words = torch.randint(0, _WORDS, (2, _TOKENS))
    base = {"dim": 32, "depth": 2, "heads": 4, "attn_dim_head": 8, "attn_flash": way == "flash"}
    if option == "encoder and decoder":
        return _pair(words, way)
    cross = option == "cross"
    layers = (Encoder if way == "encoder" else Decoder)(**{**base, **chosen, "cross_attend": cross})
    model = TransformerWrapper(num_tokens=_WORDS, max_seq_len=16, attn_layers=layers)
    given: dict[str, object] = {}
    if way == "encoder":
        given["mask"] = torch.arange(_TOKENS)[None] < torch.tensor([[_TOKENS], [9]])
    if cross:
        given["context"] = torch.randn(2, 7, 32)
        given["context_mask"] = torch.arange(7)[None] < torch.tensor([[7], [5]])
    if option == "memories":
        given["mems"] = [torch.randn(2, 3, 32) for _ in range(2)]
    return Entry(drawn(model), (words,), given)


def _pair(words: torch.Tensor, way: str) -> Entry:
    model = XTransformer(
        dim=32,
        **{f"enc_{n}": v for n, v in _SIDE.items()},
        **{f"dec_{n}": v for n, v in _SIDE.items()},
        enc_attn_flash=way == "flash",
        dec_attn_flash=way == "flash",
        tie_token_emb=way == "encoder",
    )
    return Entry(drawn(model), (words, words[:, :9]))


_SIDE = {"num_tokens": _WORDS, "depth": 2, "heads": 4, "attn_dim_head": 8, "max_seq_len": 16}


def _switches(function: object) -> list[str]:
    known = inspect.signature(function).parameters  # type: ignore[arg-type]
    return [name for name, parameter in known.items() if parameter.default is False]
