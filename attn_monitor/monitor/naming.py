"""The user's names along the axes of a batch, each with what the batch holds there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import torch
from torch import Tensor

from attn_monitor.capture.origins import coordinate
from attn_monitor.monitor.labels import Labels
from attn_monitor.monitor.words import Axis

_MATRIX: Final = 2
_COLUMN, _DEPTH = 1, 2


def named_by(labels: Labels, batch: object, seeds: Sequence[tuple[str, Tensor]]) -> BatchLabels:
    """Return what the user said of one batch.

    Args:
        labels: What the user said.
        batch: The batch.
        seeds: The tensors that codes name, with what they are called.
    """
    given: object = None
    if labels.values is not None:
        with labels.failures.contained("reading the values of the probes"):
            given = labels.values(batch)
    return BatchLabels(labels=labels, seeds=seeds, given=given)


@dataclass(slots=True, kw_only=True)
class BatchLabels:
    """Puts names and values on the axes of one batch.

    Attributes:
        labels: What the user said.
        seeds: The tensors that codes name, with what they are called.
        given: The user's own values ``[sentence, name]``.
        asked: Keys of features= that stand for an axis.
        fits: Those that gave one its names.
        misfits: What was read where names did not fit, in words.
    """

    labels: Labels
    seeds: Sequence[tuple[str, Tensor]]
    given: object = None
    asked: set[str] = field(default_factory=set)
    fits: set[str] = field(default_factory=set)
    misfits: dict[str, None] = field(default_factory=dict)

    def on(self, axis: Axis, code: Tensor, *, text: tuple[str, str], side: str, row: int) -> Axis:
        """Return an axis under the user's names, or as it was.

        Where the codes say which columns of the batch the tokens are, each gets the name of its
        column, in whatever order and number; else names stand in the order of the axis.

        Args:
            axis: What is known of it.
            code: Codes of all its tokens, padding included.
            text: The part it is of, and the stream that the part is a text of.
            side: ``"query"`` or ``"key"``.
            row: Which sentence of the batch it is.
        """
        part, base = text
        found = self.labels.names(part, base, side)
        if found is None:
            return axis
        key, names = found
        self.asked.add(key)
        if axis.proof == "described":
            return axis
        chosen = self._columns(axis, code, len(names)) or _in_order(axis, code, len(names))
        if chosen is None:
            self.misfits[f"{side} axis of {part!r}: {len(code)} tokens"] = None
            return axis
        self.fits.add(key)
        ids = tuple(None if at is None else names[at] for at in chosen)
        return replace(
            axis,
            ids=ids,
            proof="described",
            added=frozenset(at for at, name in enumerate(ids) if name is None),
            values=self._values(axis, code, chosen, row),
        )

    def say(self, parts: Sequence[str]) -> None:
        """Say once which names fit nowhere.

        Args:
            parts: The names of the parts.
        """
        features = self.labels.features
        if features is None:
            return
        by_key = features if isinstance(features, Mapping) else {"": features}
        idle = {key: len(names) for key, names in by_key.items() if key not in self.fits}
        unknown = [key for key in idle if key not in self.asked and key]
        if not idle:
            return
        read = "; ".join(self.misfits) or "model's axes, which are described otherwise"
        self.labels.failures.report(
            f"features= names {unknown}, and there is no such part; the parts are {list(parts)}"
            if unknown
            else f"features= has {idle.get('', idle)} names, which do not fit the {read}. "
            "Positions are shown there. Names can be given by part and side: "
            'features={"cross.query": [...], "cross.key": [...]}',
            doing="naming the axes",
            once=True,
        )

    def _columns(self, axis: Axis, code: Tensor, count: int) -> list[int | None] | None:
        """Return the column of the batch that each token is; ``None`` where that is not known."""
        here = code[list(axis.places)]
        there = here != 0
        numbers = coordinate(here[there], 3).unique().tolist()
        if len(numbers) != 1 or numbers[0] < 1:
            return None
        tensor = self.seeds[numbers[0] - 1][1]
        for which in (_COLUMN, _DEPTH):
            found = coordinate(here, which)
            known = found[there].tolist()
            if tensor.dim() <= which or tensor.shape[which] != count:
                continue
            if min(known) >= 0 and len(set(known)) == len(known):
                return [int(c) if t else None for c, t in zip(found, there, strict=True)]
        return None

    def _values(
        self, axis: Axis, code: Tensor, chosen: Sequence[int | None], row: int
    ) -> tuple[str, ...]:
        if self.given is not None:
            told: tuple[str, ...] = ()
            with self.labels.failures.contained("reading the values of the probes"):
                line = self.given[row]  # type: ignore[index]  # whatever the user returned
                told = tuple("" if at is None else _shown(line[at]) for at in chosen)
            return told
        found = [self._value(int(code[place])) for place in axis.places]
        return tuple(found) if any(found) else ()

    def _value(self, code: int) -> str:
        """Return the single number of the batch that a token is made of; nothing if it is more."""
        entry = torch.tensor(code)
        number, *place = (int(coordinate(entry, which)) for which in (3, 0, 1, 2))
        if number < 1:
            return ""
        tensor = self.seeds[number - 1][1]
        alone = tensor.dim() == _MATRIX or (tensor.dim() > _MATRIX and tensor[0, 0].numel() == 1)
        if not alone or min(place[:_MATRIX]) < 0:
            return ""
        return _shown(tensor[place[0], place[1]].reshape(()))


def _in_order(axis: Axis, code: Tensor, count: int) -> list[int | None] | None:
    """Return positions along the axis, tokens that the model added left out if that fits."""
    if len(code) == count:
        return list(axis.places)
    own = [bool(code[place] != 0) for place in axis.places]
    if sum(own) != count:
        return None
    numbers = iter(range(count))
    return [next(numbers) if there else None for there in own]


def _shown(value: object) -> str:
    if isinstance(value, Tensor):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
