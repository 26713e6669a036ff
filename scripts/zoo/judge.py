"""Does the capture say what the oracle saw? One verdict per run of a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from oracle import Call, Oracle, Seen, flex_seen_by
from torch import Tensor, nn

from attn_monitor.capture import AttentionCapture, capture
from attn_monitor.capture.record import Record

BOUNDS = {torch.float32: 2e-5, torch.float64: 2e-5, torch.bfloat16: 4e-2, torch.float16: 4e-3}
_MOMENTS, _MOST_ROWS = 6, 4000
_CROSSING = ("cross", "encoder_attn", "encdec", "multihead_attn")
Run = Callable[[], Any]


@dataclass
class Finding:
    """What is wrong with one run, and what there was.

    Attributes:
        faults: ``kind: module``, most telling first.
        error: Largest difference of a weight.
        layers: Records.
        without: Records whose output projection is not known.
        unlike: Records of a module as one map over true positions.
        parts: Layers per part.
        gaps: What the capture says it did not see.
        elsewhere: Softmaxes that met no activations, by module.
    """

    faults: list[str] = field(default_factory=list)
    error: float = 0.0
    layers: int = 0
    without: list[str] = field(default_factory=list)
    unlike: int = 0
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
        for name in ("faults", "without", "gaps", "elsewhere"):
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
        _module(name, mine[name], true[name], seen.began[name], finding, weights=weights)
        _gaps(name, mine[name], true[name], finding)


def _square(record: Record) -> bool:
    return record.shape[2] == record.shape[3]


def _gaps(name: str, mine: list[Record], true: list[Call], finding: Finding) -> None:
    if mine or not true:
        return
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
        crossing = any(word in name.lower() for word in _CROSSING)
        if record.kind == "cross" and _square(record) and record.order is True and not crossing:
            finding.faults.append(f"kind: {name} is causal, and called cross")
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
    if len(mine) == len(true):
        errors = [_same(record, call) for record, call in zip(mine, true, strict=True)]
        if all(error is not None for error in errors):
            worst = max(error for error in errors if error is not None)
            finding.error = max(finding.error, worst)
            bound = BOUNDS[mine[0].query.dtype]
            if worst > bound:
                finding.faults.append(f"wrong: {name} differs by {worst:.2g}")
            per = len(mine) / max(1, began)
            if per > 1 and not _apart(mine, began):
                finding.faults.append(f"split: {name} {per:.3g} records a call")
            return
    _rows(name, mine, true, began, finding)


def _apart(mine: list[Record], began: int) -> bool:
    """Return whether several records of one call are attentions of their own, not pieces of one.

    Those ask with the same queries, for other keys or side by side; pieces have other queries.
    """
    first = mine[: len(mine) // max(1, began)]
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
    bound = 20 * BOUNDS[mine[0].query.dtype]
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
