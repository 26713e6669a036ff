"""What configurations leave open and models cannot do without, as their errors tell."""

from __future__ import annotations

import re
from typing import Any

from transformers import PretrainedConfig

_WINDOW, _TOKENS = 8, 190  # of words that a layer sees; the last words are placeholders
# What a model reads of a part's configuration that a configuration around it would have given it.
_GIVEN = {
    **{"dropout": 0.0, "dropout_rate": 0.0, "initializer_range": 0.02, "rope_theta": 10000.0},
    **{
        "shared_expert_intermediate_size": 16,
        "num_key_value_heads": 8,
        "spatial_merge_size": 2,
        "num_hidden_layers": 2,
    },
}
_MISSED: set[tuple[str, str]] = set()  # class of a configuration, and its entry
# What else is done after an error that says so; a process makes one type.
_REMEDIES = {
    "kinds": "'NoneType' object is not subscriptable",
    "attending": "can only be called on Attention layers",
    "window": "Could not find a `sliding_window`",
    "shared heads": "unsupported operand type(s) for //",
    "sections": "stack expects each tensor to be equal size",
    "image token": "'bool' object has no attribute 'unsqueeze'",
    "state heads": "is invalid for input of size",
    "clipped": "At least one of 'min' or 'max' must not be None",
    "aligned": "strides should be multiple of 16 bytes",
    "experts": "found element of type NoneType",
    "levels": "index 0 is out of bounds for dimension 0 with size 0",
    "stacks": "list index out of range",
}
_LEARNED: set[str] = set()


def put(config: PretrainedConfig, name: str, value: object) -> None:
    try:
        setattr(config, name, value)
    except Exception:  # a validator that wants it otherwise: it stays as it was
        return


def entry(config: PretrainedConfig, name: str) -> Any:
    """Return an entry of a configuration; ``None`` where there is none, or one per layer."""
    try:
        return getattr(config, name, None)
    except Exception:  # "may vary across layers"
        return None


def are_known(remedy: str) -> bool:
    """Return whether an error asked for something."""
    return remedy in _LEARNED


def apply(config: PretrainedConfig, layers: int) -> None:
    """Fill in what errors said is missing."""
    for name in (name for owner, name in _MISSED if owner == type(config).__name__):
        put(config, name, _GIVEN[name])
    entries, kinds = vars(config), entry(config, "layer_types")
    if "kinds" in _LEARNED and kinds is None and "layer_types" in entries:
        put(config, "layer_types", ["full_attention"] * layers)
    if "attending" in _LEARNED and isinstance(kinds, list) and set(kinds) == {"linear_attention"}:
        put(config, "layer_types", [*kinds[:-1], "full_attention"])
    if "window" in _LEARNED and entries.get("sliding_window", 0) is None:
        put(config, "sliding_window", _WINDOW)
    if "shared heads" in _LEARNED and entries.get("num_key_value_heads", 0) is None:
        put(config, "num_key_value_heads", entry(config, "num_attention_heads"))
    for kind, token in (("image", _TOKENS), ("video", _TOKENS - 1)):
        if "image token" in _LEARNED and entries.get(f"{kind}_token_index", 0) is None:
            put(config, f"{kind}_token_index", token)
    if "clipped" in _LEARNED and entries.get("clip_qkv", 0) is None:
        put(config, "clip_qkv", 8.0)
    if "state heads" in _LEARNED and "mamba_d_head" in entries:
        width = entry(config, "mamba_expand") * entry(config, "hidden_size")
        put(config, "mamba_d_head", width // entry(config, "mamba_n_heads"))
    if "aligned" in _LEARNED and isinstance(entries.get("moe_intermediate_size"), int):
        put(config, "moe_intermediate_size", -(-entries["moe_intermediate_size"] // 8) * 8)
    if "experts" in _LEARNED and entries.get("num_experts", 0) is None:
        for name, value in (
            ("num_experts", 4),
            ("top_k_experts", 2),
            ("moe_intermediate_size", 16),
        ):
            put(config, name, value)
    if "levels" in _LEARNED and not entries.get("projector_scale_factors", True):
        put(config, "projector_scale_factors", [1.0])
        put(config, "projector_in_channels", [entry(config, "d_model")])
        put(config, "num_feature_levels", 1)
    if "stacks" in _LEARNED and "num_layers_per_stack" in entries:
        put(config, "num_layers_per_stack", layers)
        cycles = entry(config, "H_cycles") * (entry(config, "L_cycles") + 1)
        put(config, "num_hidden_layers", layers * cycles)


def forget() -> None:
    """Begin with another type."""
    _MISSED.clear()
    _LEARNED.clear()


def completed(error: BaseException) -> bool:
    """Have configurations made from now on hold what an error says is missing; return whether."""
    match = re.search(r"'(\w+)' object has no attribute '(\w+)'", str(error))
    if match is not None and match[2] in _GIVEN and (match[1], match[2]) not in _MISSED:
        _MISSED.add((match[1], match[2]))
        return True
    for remedy, said in _REMEDIES.items():
        if said in str(error) and remedy not in _LEARNED:
            _LEARNED.add(remedy)
            return True
    return False
