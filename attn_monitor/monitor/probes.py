"""Draw the probe sentences once, so that every recorded step shows the same ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from attn_monitor.core.types import Split
from attn_monitor.monitor.batches import BatchTokens, DescribeBatch, describe
from attn_monitor.monitor.tokens import TokenSource, padding_id

REPLAY_SENTENCES = 16  # per forward pass: small enough for any model that trains on batches


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeBatch:
    """A batch to replay, on the CPU, and the sentences in it.

    Attributes:
        split: The loader it was drawn from.
        batch: Exactly what the loader's ``collate_fn`` made of the drawn sentences.
        tokens: The token ids per sentence.
        rows: Which rows of the batch are probes; all of them when drawn from a map-style set.
    """

    split: Split
    batch: object
    tokens: BatchTokens
    rows: tuple[int, ...]


def draw(
    loader: object,
    *,
    split: Split,
    count: int,
    seed: int,
    skip: int = 0,
    tokens: TokenSource = None,
    describe_batch: DescribeBatch | None = None,
) -> tuple[ProbeBatch, ...]:
    """Draw ``count`` sentences with a seed and without touching anybody's random state.

    A map-style dataset is sampled by index and collated by the loader's own ``collate_fn``, so
    that shuffling, workers and batch size do not matter. From any other iterable the first
    sentences are taken. ``skip`` leaves out that many at the start of the same draw.

    Raises:
        BatchNotUnderstoodError: The tokens of a batch could not be found.
    """

    def read(batch: object) -> BatchTokens:
        return describe(batch, pad_id=padding_id(tokens), describe_batch=describe_batch)

    loader = _one_loader(loader)
    with _random_state_kept():
        if isinstance(loader, DataLoader) and not isinstance(loader.dataset, IterableDataset):
            return _by_index(loader, split, range(skip, skip + count), seed, read)
        return _first(loader, split, range(skip, skip + count), read)


def _by_index(
    loader: DataLoader[object],
    split: Split,
    turn: range,
    seed: int,
    read: Callable[[object], BatchTokens],
) -> tuple[ProbeBatch, ...]:
    dataset = loader.dataset
    size = len(dataset)  # type: ignore[arg-type]  # map-style: it has a length
    chosen = np.random.default_rng(seed).permutation(size)[turn.start : turn.stop]
    drawn: list[ProbeBatch] = []
    for start in range(0, len(chosen), REPLAY_SENTENCES):
        samples = [dataset[int(i)] for i in chosen[start : start + REPLAY_SENTENCES]]
        batch = to_cpu(loader.collate_fn(samples))
        described = read(batch)
        drawn.append(
            ProbeBatch(
                split=split, batch=batch, tokens=described, rows=tuple(range(len(described)))
            )
        )
    return tuple(drawn)


def _first(
    batches: Iterable[object], split: Split, turn: range, read: Callable[[object], BatchTokens]
) -> tuple[ProbeBatch, ...]:
    drawn: list[ProbeBatch] = []
    seen = 0
    for batch in batches:
        if seen >= turn.stop:
            break
        kept = to_cpu(batch)
        described = read(kept)
        rows = tuple(row for row in range(len(described)) if seen + row in turn)
        seen += len(described)
        if rows:
            drawn.append(ProbeBatch(split=split, batch=kept, tokens=described, rows=rows))
    return tuple(drawn)


def _one_loader(loader: object) -> Iterable[object]:
    """Of several loaders, in a list, a dict or a CombinedLoader, the first speaks for all."""
    nested = getattr(loader, "flattened", None)
    if isinstance(nested, list) and nested:
        return _one_loader(nested[0])
    if isinstance(loader, Mapping):
        return _one_loader(next(iter(loader.values())))
    if isinstance(loader, list | tuple):
        return _one_loader(loader[0])
    return loader if isinstance(loader, Iterable) else ()


def to_cpu(batch: object) -> object:
    """Return a copy of a batch whose tensors nobody else can change."""
    if isinstance(batch, Tensor):
        return batch.detach().cpu().clone()
    if isinstance(batch, dict):
        return {key: to_cpu(value) for key, value in batch.items()}
    if isinstance(batch, list):
        return [to_cpu(value) for value in batch]
    if isinstance(batch, tuple):
        values = [to_cpu(value) for value in batch]
        make = getattr(batch, "_make", tuple)  # a named tuple keeps its names
        return make(values)
    return batch


@contextmanager
def _random_state_kept() -> Iterator[None]:
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
