"""Does the capture say what the oracle saw? One verdict per run of a model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from oracle import Call, Oracle, Seen, flex_seen_by
from torch import Tensor, nn

from attn_monitor.capture import AttentionCapture, capture
from attn_monitor.capture.record import Record

BOUNDS = {torch.float32: 2e-5, torch.float64: 2e-5, torch.bfloat16: 4e-2, torch.float16: 4e-3}
_MOMENTS, _MOST_ROWS = 6, 4000
_LARGEST_BOUND = 2e-2  # of rows that are looked for wherever they stand
_CROSSING = ("cross", "encoder_attn", "encdec", "enc_dec", "multihead_attn")
_OWN = ("self_attn", "selfattention", "self_attention", "attn1")
Run = Callable[[], Any]


@dataclass
class Finding:
    """What is wrong with one run, and what there was.

    Attributes:
        faults: ``kind: module``, most telling first.
        error: Largest difference of a weight.
        layers: Records.
        without: Records whose output projection is not known.
        unlike: Modules whose pieces are one map over true positions.
        unplaced: Those of which the linear layers around do not show that the positions are true.
        parts: Layers per part.
        gaps: What the capture says it did not see.
        elsewhere: Softmaxes that met no activations, by module.
    """

    faults: list[str] = field(default_factory=list)
    error: float = 0.0
    layers: int = 0
    without: list[str] = field(default_factory=list)
    unlike: int = 0
    unplaced: list[str] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    kinds: str = ""

    @property
    def verdict(self) -> str:
        if self.faults:
            order = (
                "changed",
                "wrong",
                "error",
                "silent",
                "half",
                "extra",
                "split",
                "unproven",
                "shape",
                "kind",
                "missing",
            )
            kinds = {fault.partition(":")[0] for fault in self.faults}
            return next((kind for kind in order if kind in kinds), "missing")
        if self.layers:
            return "exact"
        return "none"

    def row(self) -> dict[str, Any]:
        shown = {k: v for k, v in vars(self).items() if v}
        for name in ("faults", "without", "gaps", "elsewhere", "unplaced"):
            if name in shown:
                shown[name] = shown[name][:8]
        return {"verdict": self.verdict, **shown}


def judged(model: nn.Module, run: Run, *, weights: bool = True, bare: bool = False) -> Finding:
    """Run a model three times: as it is, captured, and watched by the oracle.

    Args:
        model: The model.
        run: Runs it; returns tensors that must not differ.
        weights: Whether weights are compared; dropout makes them another at every run.
        bare: The oracle could not run.
    """
    finding = Finding()
    with flex_seen_by(None):
        plain = run()
        with capture(model) as attention:
            watched = run()
    if not identical(plain, watched):
        again = run()
        finding.faults.append("changed: output" if identical(plain, again) else "chance: output")
    finding.faults += [f"error: {error[:200]}" for error in attention.errors]
    oracle = Oracle(model)
    if not bare:
        with oracle.watching():
            run()
    _compare(attention, oracle.seen, finding, weights=weights)
    return finding


def trained(model: nn.Module, forward: Run) -> dict[str, Any]:
    """Return the row of one training step: are output and gradients what they were without us?

    Raises:
        Exception: The model cannot be trained on what it is given.
    """
    model.train()
    state = {n: t.clone() for n, t in model.state_dict().items()}

    def run() -> Any:
        model.load_state_dict(state)
        torch.manual_seed(3)
        model.zero_grad(set_to_none=True)
        outputs = [t for t in tensors(forward()) if t.requires_grad]
        sum(t.float().nan_to_num(0.0).pow(2).mean() for t in outputs).backward()
        return [*outputs, *(p.grad for p in model.parameters() if p.grad is not None)]

    try:
        run()
        row = judged(model, run, weights=False, bare=True).row()
    finally:
        model.eval()
        model.zero_grad(set_to_none=True)
    faults = [f for f in row.get("faults", []) if not f.startswith(("extra", "unproven"))]
    changed = any(f.startswith("changed") for f in faults)
    broken = bool(faults) and faults[0].startswith("error")
    verdict = "changed" if changed else "error" if broken else "exact"
    return {**row, "faults": faults, "verdict": verdict}


def uncompiled() -> AbstractContextManager[None]:
    """Run flex attention as it is while it lasts, and show it to nobody."""
    return flex_seen_by(None)


def identical(one: object, other: object) -> bool:
    mine, others = list(tensors(one)), list(tensors(other))
    return len(mine) == len(others) and all(
        a.shape == b.shape and torch.equal(torch.nan_to_num(a, 7.0), torch.nan_to_num(b, 7.0))
        for a, b in zip(mine, others, strict=True)
    )


def tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def _compare(attention: AttentionCapture, seen: Seen, finding: Finding, *, weights: bool) -> None:
    records = attention.records
    finding.layers = len(records)
    finding.gaps = [str(gap) for gap in attention.gaps]
    finding.elsewhere = [f"{n or 'model'} x{c}" for n, c in seen.elsewhere.items()]
    finding.without = [r.module for r in records if r.output_projection is None]
    try:
        finding.parts = {part.name: len(part.layers) for part in attention.arrangement}
    except Exception as error:  # a fault to be told
        finding.faults.append(f"error: arrangement {type(error).__name__}: {error}")
    mine: dict[str, list[Record]] = defaultdict(list)
    true: dict[str, list[Call]] = defaultdict(list)
    for record in records:
        mine[record.module].append(record)
    for call in seen.calls:
        true[call.module].append(call)
    finding.kinds = " ".join(sorted({f"{r.kind}{'' if _square(r) else '≠'}" for r in records}))
    for name in dict.fromkeys([*mine, *true]):
        placed = finding.unlike
        _module(name, mine[name], true[name], seen.began[name], finding, weights=weights)
        if weights and finding.unlike > placed:
            finding.unplaced += [name for r in mine[name] if not _stands_true(r, seen)][:1]
        _gaps(name, mine[name], true[name], finding)


def _square(record: Record) -> bool:
    return record.shape[2] == record.shape[3]


def _gaps(name: str, mine: list[Record], true: list[Call], finding: Finding) -> None:
    if mine or all(call.weights.shape[-1] == 1 for call in true):
        return  # one key alone is weighed with 1
    named = _is_named(name, finding)
    finding.faults.append(f"{'missing' if named else 'silent'}: {name} ({true[0].source})")


def _is_named(name: str, finding: Finding) -> bool:
    """Return whether the capture says of a module that it saw not all of it."""
    places = [gap.partition(" (")[0] for gap in finding.gaps]
    return any(
        place == name or name.startswith(f"{place}.") or place.startswith(f"{name}.")
        for place in places
    )


def _module(
    name: str, mine: list[Record], true: list[Call], began: int, finding: Finding, *, weights: bool
) -> None:
    for record in mine:
        said = _said(name)
        if record.kind == "cross" and _square(record) and record.order is True and said != "cross":
            finding.faults.append(f"kind: {name} is causal, and called cross")
        elif said not in {None, record.kind} and len({r.kind for r in mine}) == 1:
            finding.faults.append(f"kind: {name} is called {record.kind}")
        if tuple(record.weights().shape) != tuple(record.shape):
            finding.faults.append(f"shape: {name} {tuple(record.shape)}")
        if record.evidence == "unverified" and not bool(record.weights().isnan().any()):
            finding.faults.append(f"unproven: {name} {record.error}")
    if not mine:
        return
    if not true:
        finding.faults.append(f"extra: {name} {tuple(mine[0].shape)} {mine[0].source}")
        return
    if not weights:
        if len(mine) != len(true):
            finding.unlike += 1
        return
    if len(mine) == len(true) and any(map(_mislaid, mine, true)):
        other = tuple(true[0].weights.shape)
        finding.faults.append(f"wrong: {name} is laid out {mine[0].shape}, was {other}")
    if len(mine) == len(true):
        errors = [_same(record, call) for record, call in zip(mine, true, strict=True)]
        if all(error is not None for error in errors):
            worst = max(error for error in errors if error is not None)
            finding.error = max(finding.error, worst)
            if worst > max(map(_bound, mine)):
                finding.faults.append(f"wrong: {name} differs by {worst:.2g}")
            per = len(mine) / max(1, began)
            if per > 1 and not _apart(mine, began):
                finding.faults.append(f"split: {name} {per:.3g} records a call")
            return
    _rows(name, mine, true, began, finding)


def _bound(record: Record) -> float:
    """Return how far weights may be off: scores of hundreds cannot be told closer in float32."""
    largest = record.logit_max()
    score = 0.0 if largest is None else float(largest.abs().nan_to_num(0.0).max())
    return max(_precision(record), score * torch.finfo(torch.float32).eps / 2)


def _precision(record: Record) -> float:
    """Return the bound of the coarser of two types: the queries', and the one read back from."""
    buffer = getattr(getattr(record.rule, "place", None), "buffer", None)
    return max(BOUNDS[t.dtype] for t in (record.query, buffer) if t is not None)


def _mislaid(record: Record, call: Call) -> bool:
    """Return whether heads stand where queries should, or the other way round."""
    ours, theirs = tuple(record.shape), tuple(call.weights.shape)
    same = len(theirs) == len(ours) and ours[0] == theirs[0] and ours[-1] == theirs[-1]
    return same and sorted(ours) != sorted(theirs) and math.prod(ours) == math.prod(theirs)


def _said(name: str) -> str | None:
    """Return the kind that a module's author calls it, ``None`` where its path says nothing."""
    lowered = name.lower().replace("cross_modal", "")  # layers that hold attentions of both kinds
    if any(word in lowered for word in _CROSSING):
        return "cross"
    return "self" if any(word in lowered for word in _OWN) else None


def _apart(mine: list[Record], began: int) -> bool:
    """Return whether several records of one call are attentions of their own, not pieces of one.

    Those ask with the same queries, for other keys or side by side, or each side asks for the
    other; pieces have other queries.
    """
    first = mine[: len(mine) // max(1, began)]
    sizes = [record.shape[2:] for record in first]
    if len(first) == 2 and sizes[0] == sizes[1][::-1] and not any(map(_square, first)):
        return True
    if len({record.shape[2] for record in first}) > 1:
        return len({record.kind for record in first}) == len(first)
    return len({(record.shape[3], record.beside) for record in first}) == len(first)


def _same(record: Record, call: Call) -> float | None:
    """Return the largest difference, ``None`` where the two are laid out unlike each other."""
    theirs = call.weights
    weights = record.weights()
    if theirs.shape[-2:] != weights.shape[-2:] or theirs.numel() != weights.numel():
        return None
    if theirs.dim() == 4 and theirs.shape != weights.shape:
        return None
    ours = weights.reshape(-1, *weights.shape[-2:]).double()
    theirs = theirs.reshape(ours.shape).double()
    return _difference(ours, theirs)


def _difference(ours: Tensor, theirs: Tensor) -> float:
    unknown = ours.isnan() != theirs.isnan()
    blind = (theirs == 0).all(-1) | (ours == 0).all(-1)  # a row that sees nothing: even, or 0
    apart = (ours - theirs).abs().nan_to_num(0.0) + unknown.double()
    apart = apart.masked_fill(blind[..., None], 0.0)
    return float(apart.max()) if apart.numel() else 0.0


def _rows(name: str, mine: list[Record], true: list[Call], began: int, finding: Finding) -> None:
    """Compare rows wherever they stand: what was put into place, or sliced, has the same ones."""
    finding.unlike += 1
    births: dict[int, Tensor] = {}
    for call in true:
        shared = sum(c.birth == call.birth for c in true) > 1
        births[call.birth] = call.whole if shared else call.weights
    each = [_moments(w.double()) for w in births.values()]
    queries: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
    for at, record in enumerate(mine):
        key = (at // max(1, len(mine) // max(1, began)), *record.shape[:3])
        queries[key].append(record.weights().double())
    ours = torch.cat([_moments(torch.cat(group, -1)) for group in queries.values()])
    bound = min(20 * _precision(mine[0]), _LARGEST_BOUND)
    missing = [_unmatched(rows, ours, bound) for rows in each]
    extra = _unmatched(ours, torch.cat(each), bound)
    total = sum(len(rows) for rows in each)
    apart = sum(part * len(rows) for part, rows in zip(missing, each, strict=True)) / max(1, total)
    cut_off = len(ours) < total and abs(apart * total - (total - len(ours))) < 1
    if extra or (apart and not (cut_off and max(missing) < 1)):  # padding is cut off at the end
        shapes = ", ".join(str(tuple(r.shape)) for r in mine[:3])
        other = ", ".join(str(tuple(c.weights.shape)) for c in true[:3])
        part = f"{apart:.0%} of its rows not captured, {extra:.0%} of those captured not its own"
        kind = "wrong" if extra else "missing" if _is_named(name, finding) else "half"
        finding.faults.append(f"{kind}: {name} {part}; captured {shapes}, was {other}")


def _stands_true(record: Record, seen: Seen) -> bool:
    """Return whether a map's rows and columns are the tokens in their true order.

    They are if the map times what some linear layer inside the module returned is what another
    layer was given, row by row.
    """
    sentences, heads, queries, keys = record.shape
    shared, width = record.value.shape[1], record.value.shape[-1]
    weights, bound = record.weights().double(), 20 * BOUNDS[record.query.dtype]
    inside = [n for n in seen.made if n == record.module or n.startswith(f"{record.module}.")]
    given = [t for tensors in seen.given.values() for t in tensors]
    for made in (t for n in inside for t in seen.made[n]):
        for values in _laid_out(made, sentences, keys, shared * width):
            value = values.unflatten(-1, (shared, width)).transpose(1, 2).double()
            mixed = weights @ value.repeat_interleave(heads // shared, 1)
            rows = mixed.transpose(1, 2).flatten(2)
            if any(
                float((rows - other).abs().max()) <= bound
                for tensor in given
                for other in _laid_out(tensor, sentences, queries, heads * width)
            ):
                return True
    return False


def _laid_out(tensor: Tensor, sentences: int, tokens: int, channels: int) -> Iterator[Tensor]:
    """Yield ``[sentence, token, channel]`` for every stretch of channels, in both layouts."""
    rows = sentences * tokens
    if tensor.numel() % rows or tensor.shape[-1] % channels or tensor.numel() < rows * channels:
        return
    flat = tensor.reshape(-1, tensor.shape[-1])
    if len(flat) != rows:
        return
    for part in flat.double().split(channels, -1):
        yield part.reshape(sentences, tokens, channels)
        if sentences > 1:
            yield part.reshape(tokens, sentences, channels).transpose(0, 1)


def _moments(weights: Tensor) -> Tensor:
    """Return what tells rows apart wherever their entries stand: ``[row, moment]``."""
    rows = weights.nan_to_num(0.0).reshape(-1, weights.shape[-1])
    rows = rows[(rows != 0).any(-1)]
    rows = rows[torch.linspace(0, max(0, len(rows) - 1), min(len(rows), _MOST_ROWS)).long()]
    powers = [rows.pow(p).sum(-1) for p in (1, 2, 3)]
    top = rows.topk(min(3, rows.shape[-1]), -1).values
    return torch.cat([torch.stack(powers, -1), nn.functional.pad(top, (0, 3 - top.shape[-1]))], -1)


def _unmatched(rows: Tensor, among: Tensor, bound: float) -> float:
    if not len(rows):
        return 0.0
    if not len(among):
        return 1.0
    nearest = torch.cdist(rows, among, p=torch.inf).amin(-1)
    return float((nearest > bound).double().mean())
