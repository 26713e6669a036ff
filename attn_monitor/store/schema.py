"""``run.json``: what stays the same at every step, and the schema number that readers obey."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from attn_monitor.core.class_answer import ClassLayer, ContributionMethod
from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.core.kept import Form, Kept
from attn_monitor.core.nouns import (
    Evidence,
    HeadId,
    Layer,
    MetricSpec,
    Part,
    PartAxes,
    PartKind,
    Probe,
    Proof,
    Split,
)
from attn_monitor.store.checksum import check_seal, sealed
from attn_monitor.store.fields import (
    LARGEST_PARSED,
    as_bool,
    as_choice,
    as_float,
    as_int,
    as_list,
    as_object,
    as_optional_float,
    as_str,
    parse_object,
    strict,
)
from attn_monitor.store.records import Option, RunInfo
from attn_monitor.store.token_json import dump_own_axes, dump_tokens, load_tokens

SCHEMA = 1
LARGEST_RUN_FILE = 64 * 2**20
_LARGEST_AXIS = 2**16
_MOST_PROBES = 2**14
_MOST_VALUES = 2**22  # of one sentence at one step: layers x heads x metrics, over all parts
_Direction = Literal["ascending", "descending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One recording: its description and the identifier that tells it from any other."""

    id: str
    info: RunInfo


def dump_session(session: Session, *, version: str) -> bytes:
    """Return the content of ``run.json``.

    Args:
        session: What to describe.
        version: Version of attn_monitor that records.
    """
    info = session.info
    document = {
        "schema": SCHEMA,
        "attn_monitor": version,
        "session": session.id,
        "parts": [asdict(part) for part in info.parts],
        "probes": [_dump_probe(probe) for probe in info.probes],
        "metrics": [asdict(metric) for metric in info.metrics],
        "outputs": [asdict(output) for output in info.outputs],
        "uniform": {part: rows.tolist() for part, rows in info.uniform.items()},
        "options": dict(info.options),
        "kept": [asdict(kept) for kept in info.kept],
        "classes": None if info.classes is None else asdict(info.classes),
    }
    # Pure ASCII: a token may hold half a surrogate pair, which UTF-8 cannot carry.
    text = json.dumps(strict(document), indent=1, allow_nan=False).encode("ascii")
    return sealed(text, before=b"\n ")


def load_session(data: bytes, where: str, *, most_bytes: int = LARGEST_PARSED) -> Session:
    """Return what ``run.json`` describes.

    Args:
        data: Its content.
        where: Its name, for messages.
        most_bytes: Memory that it may take.

    Raises:
        CorruptRecordingError: It was written by a later version, is too large, or a field is
            missing or wrong.
    """
    check_seal(data, where)
    document = parse_object(data, where, most_bytes=most_bytes)
    schema = as_int(document.get("schema"), f"{where}: schema")
    if schema != SCHEMA:
        raise CorruptRecordingError(
            f"{where} has schema {schema}, this version of attn_monitor reads schema {SCHEMA}; "
            "upgrade it with: pip install --upgrade attn-monitor"
        )
    parts = tuple(
        _part(part, f"{where}: parts[{at}]")
        for at, part in enumerate(as_list(document.get("parts"), f"{where}: parts", longest=1024))
    )
    if not parts:
        raise CorruptRecordingError(f"{where}: no parts")
    metrics = tuple(
        _metric(metric, f"{where}: metrics[{at}]")
        for at, metric in enumerate(
            as_list(document.get("metrics"), f"{where}: metrics", longest=1024)
        )
    )
    probes = tuple(
        _probe(probe, f"{where}: probes[{at}]")
        for at, probe in enumerate(
            as_list(document.get("probes"), f"{where}: probes", longest=_MOST_PROBES)
        )
    )
    _unique([part.name for part in parts], f"{where}: part names")
    values = sum(len(part.layers) * part.heads * max(1, len(metrics)) for part in parts)
    if values > _MOST_VALUES:
        raise CorruptRecordingError(
            f"{where} has {values} metrics of heads for each sentence, at most {_MOST_VALUES} are "
            "allowed"
        )
    _unique([probe.index for probe in probes], f"{where}: probe indices")
    uniform = as_object(document.get("uniform"), f"{where}: uniform")
    info = RunInfo(
        parts=parts,
        probes=probes,
        metrics=metrics,
        uniform={
            part.name: _uniform(uniform[part.name], part, len(metrics), f"{where}: uniform")
            for part in parts
            if part.name in uniform
        },
        options=_options(document.get("options", {}), f"{where}: options"),
        outputs=tuple(
            _metric(output, f"{where}: outputs[{at}]")
            for at, output in enumerate(
                as_list(document.get("outputs", []), f"{where}: outputs", longest=1024)
            )
        ),
        kept=tuple(
            _kept(kept, {probe.index for probe in probes}, f"{where}: kept[{at}]")
            for at, kept in enumerate(
                as_list(document.get("kept", []), f"{where}: kept", longest=_LARGEST_AXIS)
            )
        ),
        classes=_classes(document.get("classes"), f"{where}: classes"),
    )
    _unique([kept.probe for kept in info.kept], f"{where}: probes in kept")
    return Session(id=as_str(document.get("session"), f"{where}: session"), info=info)


def follows(first: RunInfo, second: RunInfo) -> bool:
    """Return whether steps recorded under ``second`` may stand behind those under ``first``.

    The second may have further probes and further parts, behind those of the first.
    """
    parts, probes = second.parts[: len(first.parts)], second.probes[: len(first.probes)]
    measured = [[metric.name for metric in info.metrics] for info in (first, second)]
    same = list(map(_identity, first.parts)) == list(map(_identity, parts))
    names = {part.name for part in first.parts}
    shown = tuple(
        replace(probe, own_axes=tuple(own for own in probe.own_axes if own.part in names))
        for probe in probes
    )
    return same and measured[0] == measured[1] and first.probes == shown


def _identity(part: Part) -> tuple[object, ...]:
    # How well a layer was verified may differ between two sessions; what it is may not.
    layers = tuple((layer.name, layer.heads) for layer in part.layers)
    return part.name, part.kind, part.causal, layers


def _part(value: object, where: str) -> Part:
    part = as_object(value, where)
    layers = as_list(part.get("layers"), f"{where}.layers", longest=_LARGEST_AXIS)
    if not layers:
        raise CorruptRecordingError(f"{where}.layers is empty")
    return Part(
        name=as_str(part.get("name"), f"{where}.name"),
        kind=as_choice(part.get("kind"), get_args(PartKind), f"{where}.kind"),
        causal=as_bool(part.get("causal"), f"{where}.causal"),
        layers=tuple(_layer(layer, f"{where}.layers[{at}]") for at, layer in enumerate(layers)),
        rows=_proof(part.get("rows"), f"{where}.rows"),
        words=_proof(part.get("words"), f"{where}.words"),
    )


def _proof(value: object, where: str) -> Proof | None:
    return None if value is None else as_choice(value, get_args(Proof), where)


def _layer(value: object, where: str) -> Layer:
    layer = as_object(value, where)
    return Layer(
        name=as_str(layer.get("name"), f"{where}.name"),
        heads=as_int(layer.get("heads"), f"{where}.heads", low=1, high=_LARGEST_AXIS),
        evidence=as_choice(layer.get("evidence"), get_args(Evidence), f"{where}.evidence"),
        error=as_optional_float(layer.get("error"), f"{where}.error"),
    )


def _probe(value: object, where: str) -> Probe:
    probe = as_object(value, where)
    target = probe.get("target")
    return Probe(
        index=as_int(probe.get("index"), f"{where}.index", high=2**31),
        split=as_choice(probe.get("split"), get_args(Split), f"{where}.split"),
        source=load_tokens(probe.get("source"), f"{where}.source"),
        target=None if target is None else load_tokens(target, f"{where}.target"),
        title=None if probe.get("title") is None else as_str(probe["title"], f"{where}.title"),
        muted=tuple(
            _head(head, f"{where}.muted[{at}]")
            for at, head in enumerate(
                as_list(probe.get("muted", []), f"{where}.muted", longest=_LARGEST_AXIS)
            )
        ),
        own_axes=tuple(
            _part_axes(axes, f"{where}.own_axes[{at}]")
            for at, axes in enumerate(
                as_list(probe.get("own_axes", []), f"{where}.own_axes", longest=1024)
            )
        ),
    )


def _head(value: object, where: str) -> HeadId:
    head = as_object(value, where)
    layer, number = (
        as_int(head.get(name), f"{where}.{name}", high=_LARGEST_AXIS) for name in ("layer", "head")
    )
    return HeadId(as_str(head.get("part"), f"{where}.part"), layer, number)


def _part_axes(value: object, where: str) -> PartAxes:
    axes = as_object(value, where)
    return PartAxes(
        part=as_str(axes.get("part"), f"{where}.part"),
        query=load_tokens(axes.get("query"), f"{where}.query"),
        key=load_tokens(axes.get("key"), f"{where}.key"),
    )


def _dump_probe(probe: Probe) -> Mapping[str, object]:
    return {
        "index": probe.index,
        "split": probe.split,
        "source": dump_tokens(probe.source),
        "target": None if probe.target is None else dump_tokens(probe.target),
        **dump_own_axes(probe),
        **({} if probe.title is None else {"title": probe.title}),
        **({"muted": [head._asdict() for head in probe.muted]} if probe.muted else {}),
    }


def _classes(value: object, where: str) -> ClassLayer | None:
    if value is None:
        return None
    layer = as_object(value, where)
    names = as_list(layer.get("names"), f"{where}.names", longest=_LARGEST_AXIS)
    return ClassLayer(
        names=tuple(as_str(name, f"{where}.names") for name in names),
        method=as_choice(layer.get("method"), get_args(ContributionMethod), f"{where}.method"),
    )


def _kept(value: object, probes: set[int], where: str) -> Kept:
    kept = as_object(value, where)
    probe = as_int(kept.get("probe"), f"{where}.probe")
    if probe not in probes:
        raise CorruptRecordingError(f"{where}.probe is {probe}, which is not among the probes")
    counts = {name: kept.get(name) for name in ("layers", "heads")}
    layers, heads = (
        None if count is None else as_int(count, f"{where}.{name}", low=1, high=_LARGEST_AXIS)
        for name, count in counts.items()
    )
    return Kept(
        probe=probe,
        form=as_choice(kept.get("form"), get_args(Form), f"{where}.form"),
        window=as_int(kept.get("window"), f"{where}.window", high=_LARGEST_AXIS),
        cells=as_int(kept.get("cells"), f"{where}.cells", high=_LARGEST_AXIS),
        layers=layers,
        heads=heads,
        vectors=as_bool(kept.get("vectors"), f"{where}.vectors"),
    )


def _metric(value: object, where: str) -> MetricSpec:
    metric = as_object(value, where)
    return MetricSpec(
        name=as_str(metric.get("name"), f"{where}.name"),
        title=as_str(metric.get("title"), f"{where}.title"),
        unit=as_str(metric.get("unit"), f"{where}.unit"),
        low=as_optional_float(metric.get("low"), f"{where}.low"),
        high=as_optional_float(metric.get("high"), f"{where}.high"),
        reading=as_str(metric.get("reading"), f"{where}.reading"),
        direction=as_choice(metric.get("direction"), get_args(_Direction), f"{where}.direction"),
        source=as_str(metric.get("source"), f"{where}.source"),
    )


def _uniform(
    value: object, part: Part, metrics: int, where: str
) -> Float[np.ndarray, "layer metric"]:
    rows = [
        [as_float(number, where) for number in as_list(row, where)] for row in as_list(value, where)
    ]
    if len(rows) != len(part.layers) or any(len(row) != metrics for row in rows):
        raise CorruptRecordingError(
            f"{where} of part {part.name!r} should be {len(part.layers)} layers x {metrics} metrics"
        )
    return np.asarray(rows, dtype=np.float32).reshape(len(part.layers), metrics)


def _options(value: object, where: str) -> Mapping[str, Option]:
    options: dict[str, Option] = {}
    for name, option in as_object(value, where).items():
        if not isinstance(option, str | int | float | bool):
            raise CorruptRecordingError(f"{where}.{name} should be a text, a number or a switch")
        options[name] = option
    return options


def _unique(values: list[str] | list[int], where: str) -> None:
    if len(set(values)) != len(values):
        raise CorruptRecordingError(f"{where} are not unique")
