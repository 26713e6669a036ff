"""What a model declares itself: that it decodes, is causal, reads both ways, or pads by an id."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def padding_of(model: nn.Module) -> int | None:
    """Return the padding id that the embedding of a model's words declares, if it declares one."""
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    words = max(tables, key=lambda table: table.num_embeddings, default=None)
    return None if words is None else words.padding_idx


def decoder(model: nn.Module, named: Mapping[str, Tensor]) -> str:
    """Return who says that a model decodes one text while it reads another; empty if nobody."""
    if getattr(_config(model), "is_encoder_decoder", False) is True:
        return "the model: config.is_encoder_decoder"
    if "decoder_input_ids" in named:
        return "the batch's decoder_input_ids"
    names = {type(module).__name__ for module in model.modules()}
    kind = next((name for name in sorted(names) if "TransformerDecoder" in name), "")
    return f"the model: {kind}" if kind else ""


def says_causal(model: nn.Module) -> str:
    """Return who says that no token may read what follows it; empty where nobody does."""
    config = _config(model)
    flags = [
        vars(m)["is_causal"] for m in model.modules() if isinstance(vars(m).get("is_causal"), bool)
    ]
    if flags and all(flags):
        return "the model: is_causal"
    if config is not None and getattr(config, "is_decoder", False) is True and all(flags):
        return "the model: config.is_decoder"
    names = (type(module).__name__ for module in model.modules())
    kind = next((name for name in names if "CausalLM" in name), "")
    if kind and not flags and getattr(config, "is_decoder", True):
        return f"the model: {kind}"
    if kind and flags and _some_differ(model):
        return f"the model: {kind}, and is_causal of {sum(flags)} of its {len(flags)} layers"
    return ""


def _some_differ(model: nn.Module) -> bool:
    """Return whether attention of one type is causal in most places: the others are at fault.

    Other towers of a model, which read both ways, have a type of their own.
    """
    said: dict[type, list[bool]] = {}
    for module in model.modules():
        flag = vars(module).get("is_causal")
        if isinstance(flag, bool):
            said.setdefault(type(module), []).append(flag)
    return all(2 * sum(flags) > len(flags) for flags in said.values())


def reads_both_ways(model: nn.Module) -> str:
    """Return who says that tokens may read those that follow them; empty where nobody does."""
    names = (type(module).__name__ for module in model.modules())
    kind = next((name for name in names if "MaskedLM" in name), "")
    return f"the model: {kind}" if kind else ""


def _config(model: nn.Module) -> object | None:
    """Return the outermost configuration that a model or what it holds declares itself by."""
    for module in model.modules():
        config = vars(module).get("config")
        if config is not None and hasattr(config, "model_type"):
            found: object = config
            return found
    return None
