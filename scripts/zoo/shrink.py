"""Tiny random models of every type that transformers knows: configurations made small by rule.

Widths are all divided by one number, so that whatever has to fit together still does; layers are
few, but of every kind that the type mixes. No type is named here.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import remedies
import torch
import transformers
from remedies import entry, put
from transformers import PretrainedConfig, PreTrainedModel
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

VOCABULARY, PIXELS = 250, 64
MOST_PARAMETERS = 60_000_000
# What widths are divided by and how many layers there are, one trial after the other.
Trial = tuple[int, int]
TRIALS: tuple[Trial, ...] = ((16, 2), (8, 2), (16, 8), (8, 8), (2, 2), (1, 2))

_LAYERS = re.compile(
    r"^(num_(hidden_|encoder_|decoder_|text_|vision_|audio_|transformer_|attention_|cross_)?layers"
    r"|n_layers?|(encoder|decoder|text|vision|resampler|perceiver|entity|predictor|memory_attention"
    r"|projector|x|l|r|xcodec|backbone)_(num_)?(hidden_)?(layers|depth)|depth|layers"
    r"|num_(hidden_)?blocks|pred_num_hidden_layers|.*_num_hidden_layers|.*_num_layers)$"
)
_DEPTHS = re.compile(r"^(depths|.*_depths|stage_num_blocks|stage_numb_of_layers|blocks_per_stage)$")
_WIDTHS = re.compile(
    r"(hidden_size|hidden_sizes|hidden_dim|hidden_dims|_size_per_head|intermediate_size|embed_dim"
    r"|headdim|upsample_groups|^out_features$"
    r"|embedding_size|embedding_dim|embed_dims|ffn_dim|mlp_dim|^d_\w+|_dim$|^dim$|_dims$|head_dim"
    r"|head_size|_channels$|^channels|channel_list|filters|_rank$|n_embd|n_inner|_width$"
    r"|embed_dim_per_stage|projection_size|kv_channels|^width$|_size_global|in_features|planes"
    r"|coordinate_size|shape_size|proj_size|inner_size|hidden_units|^d_model$|conv_dim|output_size)"
)
_NO_WIDTHS = re.compile(
    r"num_channels|audio_channels|input_dim|mel|feature_size$|max_|time_dim|vocab|patch|image_size"
    r"|kernel|codebook_size|num_|box|axes_dim|mask_time|mask_feature|pos_dim|rope_dim$|in_chans|in_dim$"
)
_INDICES = re.compile(r"(indexes|indices|idx|layer_ids|feature_layers?|_at|out_features|levels)$")
_SEQUENCES = (list, tuple)
# Stretches of tokens, shorter than the sentences so that they matter.
_STRETCHES = {
    **{"sliding_window": 8, "attention_window": 8, "block_size": 64, "num_global_tokens": 4},
    **{"chunk_size": 8, "mamba_chunk_size": 8, "attention_chunk_size": 8, "local_radius": 5},
    **{
        "local_attention": 8,
        "max_source_positions": 64,
        "max_length": 64,
        "sliding_window_size": 8,
        "num_random_blocks": 2,
    },
}
# What a configuration leaves open and a model cannot do without.
_UNSET = {
    **{
        "context_length": 8,
        "prediction_length": 4,
        "num_experts_per_tok": 2,
        "n_routed_experts": 8,
        "n_shared_experts": 1,
        "attn_layer_indices": [1],
        "vocab_size": 100,
        "default_language": "en_XX",
    },
    "vocabulary_map": {"<image>": 7, "IMGIMGA": 8, "IMGIMGB": 9},
}

_GROUPS = 32  # of channels, which are normalised together
_MANY_LAYERS = 8


def types() -> list[str]:
    return sorted(CONFIG_MAPPING.keys())


def configuration(kind: str, trial: Trial) -> PretrainedConfig:
    """Return a small configuration of a type, ``"falcon"``, or of one with a switch set otherwise.

    A switch is named behind the type: ``"falcon?alibi"`` turns ``alibi`` round.
    """
    kind, _, switch = kind.partition("?")
    config = CONFIG_MAPPING[kind]()
    if switch:
        setattr(config, switch, not getattr(config, switch))
    identifiers: dict[int, int] = {}
    for part in _all(config):
        _shrink(part, trial, identifiers)
    return config


def _all(config: PretrainedConfig) -> Iterator[PretrainedConfig]:
    yield config
    for value in list(vars(config).values()):
        if isinstance(value, PretrainedConfig):
            yield from _all(value)


def _shrink(config: PretrainedConfig, trial: Trial, identifiers: dict[int, int]) -> None:
    """Make one part of a configuration small."""
    before = dict(vars(config))
    kinds = before.get("layer_types")
    factor, layers = trial
    if isinstance(kinds, _SEQUENCES):
        layers = max(layers, len(set(kinds)))
    read = before.get("_out_indices")  # layers whose output something around it reads
    if layers >= _MANY_LAYERS and isinstance(read, _SEQUENCES) and read:
        layers = max(layers, *read)
    for name, value in before.items():
        if value is None and name in _UNSET:
            put(config, name, _UNSET[name])
        if isinstance(value, PretrainedConfig):
            continue  # made small by itself
        new = _smaller(name, value, factor, layers)
        if new != value:
            put(config, name, new)
    for name, value in before.items():
        identifier = name.endswith(("token_id", "token_index", "_id")) and isinstance(value, int)
        if identifier and value >= VOCABULARY - 50:
            known = identifiers.setdefault(value, VOCABULARY - 50 + len(identifiers))
            put(config, name, known)
        if isinstance(value, _SEQUENCES) and value and _per_layer(name, value, before):
            put(config, name, _of_every_kind(value, min(layers, len(value))))
        elif (
            (
                isinstance(value, _SEQUENCES)
                and value
                and _INDICES.search(name)
                and not name.startswith(("out_", "_out"))
            )
            and all(type(v) is int for v in value)
            and max(value) >= layers
        ):
            put(config, name, type(value)(dict.fromkeys(min(v, layers - 1) for v in value)))
    remedies.apply(config, layers)
    _heads(config)
    width, heads = entry(config, "hidden_size"), entry(config, "num_attention_heads")
    if "head_dim" in before and before["head_dim"] is None and isinstance(width, int) and heads:
        put(config, "head_dim", width // heads)
    _rotary(config)


def _smaller(name: str, value: Any, factor: int, layers: int) -> Any:
    """Return one entry of a configuration, smaller if it is a size."""
    if isinstance(value, bool) or name.startswith("_"):
        return value
    if _DEPTHS.search(name) and isinstance(value, _SEQUENCES) and layers < _MANY_LAYERS:
        return type(value)(min(2, v) for v in value)
    if _LAYERS.search(name) and isinstance(value, int):
        return min(layers, value)
    if ("vocab_size" in name or name.endswith("_vocab")) and isinstance(value, int):
        return min(VOCABULARY, value)
    if name == "base_channels" and isinstance(value, int):
        return max(min(_GROUPS, value), _divided(value, factor))
    if name in {"n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts"}:
        return min(8, value) if isinstance(value, int) else value
    if name in {"n_group", "topk_group", "first_k_dense_replace"} and isinstance(value, int):
        return min(1, value)
    if name == "num_kv_shared_layers" and isinstance(value, int):
        return 0
    if name in {"num_experts_per_tok", "moe_topk", "moe_k", "top_k"} and isinstance(value, int):
        return min(2, value)
    if name == "image_embedding_size" and isinstance(value, int):
        return PIXELS // 16
    if name in _STRETCHES:
        few = {int: lambda v: min(_STRETCHES[name], v), list: lambda v: [_STRETCHES[name]] * len(v)}
        return few.get(type(value), lambda v: v)(value)
    if name == "backbone_feature_sizes":
        return _each(value, lambda side: max(1, side * PIXELS // 1024))
    if name == "image_size":
        return _each(value, lambda side: min(PIXELS, side))
    if name in {"num_queries", "num_query_tokens", "num_denoising"} and isinstance(value, int):
        return min(10, value)
    if _WIDTHS.search(name) and not _NO_WIDTHS.search(name):
        return _divided(value, factor)
    return value


def _each(value: Any, change: Callable[[int], int]) -> Any:
    """Return a number, or each of several, changed."""
    if isinstance(value, _SEQUENCES):
        return type(value)(_each(v, change) for v in value)
    return change(value) if isinstance(value, int) else value


def _divided(value: Any, factor: int) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return max(2, value // factor) if value >= 2 * factor else value
    if isinstance(value, _SEQUENCES):
        return type(value)(_divided(v, factor) for v in value)
    return value


def _per_layer(name: str, value: Any, before: dict[str, Any]) -> bool:
    counts = {v for n, v in before.items() if _LAYERS.search(n) and isinstance(v, int)}
    return len(value) in counts and len(value) > 2 and not _INDICES.search(name)


def _of_every_kind(value: Any, count: int) -> Any:
    """Return as many entries as there are layers, each kind first met first."""
    try:
        kinds = list(dict.fromkeys(value))
    except TypeError:
        kinds = list(value)
    chosen = [*kinds, *(v for v in value)][:count]
    order = sorted(range(len(chosen)), key=lambda at: value.index(chosen[at]))
    return type(value)(chosen[at] for at in order)


def _rotary(config: PretrainedConfig) -> None:
    """Let the three sections of rotary positions sum to half of the width per head."""
    width, heads = entry(config, "hidden_size"), entry(config, "num_attention_heads")
    if not (isinstance(width, int) and isinstance(heads, int) and heads):
        return
    head = entry(config, "head_dim") or width // heads
    entries = vars(config)
    holders = [entries, *(v for n, v in entries.items() if n.startswith("rope_") and v)]
    for holder in holders:
        if not isinstance(holder, dict) or (holder is entries and "mrope_section" not in holder):
            continue
        if any(isinstance(value, dict) for value in holder.values()) and holder is not entries:
            continue  # one per kind of layer
        half = int(head * float(holder.get("partial_rotary_factor", 1.0))) // 2
        sections = [half - 2 * (half // 3), half // 3, half // 3]
        holder["mrope_section"] = sections[::-1] if remedies.are_known("sections") else sections


def _heads(config: PretrainedConfig) -> None:
    """Keep an even width per head of at least 4, which rotary positions need."""
    width, heads = entry(config, "hidden_size"), entry(config, "num_attention_heads")
    shared = entry(config, "num_key_value_heads")
    if not (isinstance(width, int) and isinstance(heads, int) and heads) or entry(
        config, "head_dim"
    ):
        return
    if width % heads == 0 and width // heads >= 4:
        return
    for fewer in (8, 4, 2, 1):
        if fewer <= heads and width % fewer == 0 and width // fewer >= 4:
            put(config, "num_attention_heads", fewer)
            if isinstance(shared, int):
                put(config, "num_key_value_heads", fewer if shared == heads else max(1, fewer // 2))
            return


def model_classes(config: PretrainedConfig) -> list[type[PreTrainedModel]]:
    """Return the classes that take this configuration, the plainest first."""
    found: list[type[PreTrainedModel]] = []
    for mapping in (
        *(modeling_auto.MODEL_MAPPING, modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING),
        *(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING, modeling_auto.MODEL_FOR_PRETRAINING_MAPPING),
    ):
        cls = mapping.get(type(config), None)
        found += [c for c in (cls if isinstance(cls, tuple) else (cls,)) if c is not None]
    package = importlib.import_module(type(config).__module__.rpartition(".")[0])
    for path in sorted(Path(str(package.__file__)).parent.glob("modeling_*.py")):
        module = importlib.import_module(f"{package.__name__}.{path.stem}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, PreTrainedModel):
                own = value.__module__ == module.__name__ and "forward" in vars(value)
                if own and getattr(value, "config_class", None) is type(config):
                    found.append(value)
    return list(dict.fromkeys(found))


def generator_of(cls: type[PreTrainedModel], kind: str, trial: Trial) -> PreTrainedModel | None:
    """Return the same architecture as one that can generate, if there is one."""
    config = configuration(kind, trial)
    candidates = [cls] + [
        c
        for mapping in (
            *(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING,),
            *(modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,),
            *(modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,),
        )
        if (c := mapping.get(type(config), None)) is not None
    ]
    for candidate in candidates:
        if isinstance(candidate, type) and candidate.can_generate():
            implementation = "sdpa" if candidate._supports_sdpa else "eager"
            try:
                return built(candidate, config, implementation)
            except Exception:  # then it is not tried
                return None
    return None


def parameters(cls: type[PreTrainedModel], config: PretrainedConfig) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in cls(config).parameters())


def built(
    cls: type[PreTrainedModel], config: PretrainedConfig, implementation: str
) -> PreTrainedModel:
    """Return a model in eval mode with seeded weights that are large enough to tell heads apart."""
    torch.manual_seed(0)
    model = cls._from_config(config, attn_implementation=implementation)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.is_floating_point() and tensor.dim() > 1:
                tensor.normal_(0, 1 / max(1.0, float(tensor[0].numel()) ** 0.5))
            elif not bool(torch.isfinite(tensor).all()):
                tensor.zero_()
    return model.eval()


def version() -> str:
    return f"transformers {transformers.__version__}, torch {torch.__version__}"
