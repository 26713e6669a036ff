"""What ran, looks like attention, and was not captured: named with the likely reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from torch import nn

from attn_monitor.capture.modules import module_names

_WORDS: Final = re.compile(
    r"attention|attn|mixer|deltanet|mamba|ssm|retention|rwkv|recurrent|transformer", re.IGNORECASE
)
# Parts of an attention module, and modules around several of them.
_OTHER: Final = re.compile(
    r"output|norm|embed|dropout|position|bias|rotary|mlp|feedforward|model$|encoder$|decoder$",
    re.IGNORECASE,
)
_UNWEIGHTED: Final = re.compile(
    r"linear|lightning|mixer|deltanet|mamba|ssm|retention|rwkv|recurrent", re.IGNORECASE
)
_FEWEST_PROJECTIONS: Final = 2
_SHOWN: Final = 8
_NO_WEIGHTS: Final = (
    "no softmax over keys: linear attention and state spaces have no weights to show"
)
_SAMPLED: Final = "deformable attention samples points and weighs no keys"
_UNSEEN: Final = (
    "no product of queries and keys was seen that weighs values: additive scores, or an extension "
    "kernel that is not registered (attn_monitor.capture.kernels.register_kernel)"
)
_WEIGHING: Final = (
    "a softmax over other things than products of queries and keys weighs what is here: additive "
    "scores, learned queries, a mixture or a dynamic convolution"
)
_PICKED: Final = "the value of the best key is picked, and none is weighed: there are no weights"
_CHANNELWISE: Final = (
    "keys weigh values here, channel by channel and without queries, with learned positions or "
    "without (an attention-free transformer): there is no map per head to show"
)
# Routers weigh experts, and no tokens.
_ROUTING: Final = re.compile(r"moe|expert|router|gate|mlp|feedforward", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gap:
    """A module that ran, looks like attention, and of which nothing was captured.

    Attributes:
        module: Its path.
        module_type: Its class name.
        reason: Why there is nothing, as far as its name tells.
    """

    module: str
    module_type: str
    reason: str

    def __str__(self) -> str:
        """Return one line for messages and recordings."""
        return f"{self.place}: {self.reason}"

    @property
    def place(self) -> str:
        """Its path and class."""
        return f"{self.module or '(the model itself)'} ({self.module_type})"


def find_gaps(
    model: nn.Module,
    ran: Iterable[nn.Module],
    attended: Iterable[nn.Module],
    seen: Iterable[str],
    *,
    weighing: Iterable[nn.Module] = (),
    linear: Iterable[nn.Module] = (),
    choosing: Iterable[nn.Module] = (),
    channelwise: Iterable[nn.Module] = (),
) -> tuple[Gap, ...]:
    """Return the modules that ran and whose attention was not seen, in the model's order.

    Args:
        model: The model that ran.
        ran: Its modules that were called.
        attended: Those that were running while attention was captured.
        seen: Paths of the modules that captured attention belongs to: their parts are no gaps.
        weighing: Those in which a softmax over other things than scores weighed activations.
        linear: Those in which products of queries and keys weighed values without a softmax.
        choosing: Those in which values were picked by the best keys.
        channelwise: Those in which keys weighed values channel by channel, without queries.
    """
    names = module_names(model)
    owners = {f"{path}." for path in seen if path}
    called, around = set(ran), set(attended)
    found: list[tuple[str, nn.Module]] = []
    for module, name in names.items():
        suspicious = module in called and module not in around and _looks_like_attention(module)
        if suspicious and not any(name.startswith(owner) for owner in owners):
            found.append((name, module))
    gaps = _innermost(found)
    named = {gap.module for gap in gaps}
    told = {names.get(module, "") for module in weighing}
    gaps = [
        replace(gap, reason=_WEIGHING) if gap.reason == _UNSEEN and gap.module in told else gap
        for gap in gaps
    ]
    for module in weighing:
        name, kind = names.get(module, ""), type(module).__name__
        if not _ROUTING.search(kind) and not _holds(named, name):
            gaps.append(Gap(name, kind, _WEIGHING))
    named = {gap.module for gap in gaps}
    told_of = ((linear, _NO_WEIGHTS), (choosing, _PICKED), (channelwise, _CHANNELWISE))
    for modules, reason in told_of:
        for module in set(modules) - around:
            name = names.get(module, "")
            if not _holds(named, name):
                gaps.append(Gap(name, type(module).__name__, reason))
    order = {name: at for at, name in enumerate(names.values())}
    return tuple(sorted(gaps, key=lambda gap: order.get(gap.module, 0)))


def _holds(named: set[str], name: str) -> bool:
    """Return whether a module, one around it or one inside it is named already."""
    return any(
        name == other or name.startswith(_below(other)) or other.startswith(_below(name))
        for other in named
    )


def describe_missing(model: nn.Module, gaps: Iterable[Gap] = ()) -> str:
    """Return one message: what looks like attention here, and what can be done about it.

    Args:
        model: The model whose forward pass ran without any attention being seen.
        gaps: What was found in it nevertheless, whatever it is called.
    """
    if told := describe_gaps(gaps):
        return f"no attention was seen in {type(model).__name__}; {told}"
    named = ((name, m) for m, name in module_names(model).items())
    suspects = _innermost([(n, m) for n, m in named if _WORDS.search(type(m).__name__)])
    if not suspects:
        return (
            f"no attention was seen in {type(model).__name__}, and none of its modules looks like "
            "attention; remedy: check that the forward pass runs the Transformer part of the model"
        )
    listed = _listed(
        [f"{gap.module or '(the model itself)'} ({gap.module_type})" for gap in suspects]
    )
    reasons = "; ".join(dict.fromkeys(gap.reason for gap in suspects))
    return (
        f"no attention was seen in {type(model).__name__}; modules that look like it: {listed}; "
        f"likely: {reasons}"
    )


def describe_gaps(gaps: Iterable[Gap]) -> str:
    """Return one message that names gaps by their reason."""
    reasons: dict[str, list[str]] = {}
    for gap in gaps:
        reasons.setdefault(gap.reason, []).append(gap.place)
    return "; ".join(f"not captured: {_listed(names)}: {why}" for why, names in reasons.items())


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _innermost(found: list[tuple[str, nn.Module]]) -> list[Gap]:
    """Return those that have none of the others inside."""
    names = [name for name, _ in found]
    inside = {n for n in names for other in names if other != n and other.startswith(_below(n))}
    return [
        Gap(
            name, type(module).__name__, _reason(module, [m for n, m in found if n in _above(name)])
        )
        for name, module in found
        if name not in inside
    ]


def _below(name: str) -> str:
    return f"{name}." if name else ""


def _above(name: str) -> set[str]:
    """Return the paths of the modules around one."""
    parts = name.split(".") if name else []
    return {".".join(parts[:count]) for count in range(len(parts))}


def _looks_like_attention(module: nn.Module) -> bool:
    """Return whether a module is called like attention and holds projections of its own."""
    name = type(module).__name__
    if not _WORDS.search(name) or _OTHER.search(name):
        return False
    return sum(1 for _ in module.parameters()) >= _FEWEST_PROJECTIONS


def _reason(module: nn.Module, around: Iterable[nn.Module]) -> str:
    """Return the likely reason, by its class name or, where that says nothing, by those around."""
    name = type(module).__name__
    if "deform" in name.lower():
        return _SAMPLED
    told = any(_UNWEIGHTED.search(type(m).__name__) for m in (module, *around))
    return _NO_WEIGHTS if told else _UNSEEN
