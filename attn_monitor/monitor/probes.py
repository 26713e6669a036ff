"""Draw the probe sentences once, so that every recorded step shows the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import Split
from attn_monitor.monitor.batches import BatchTokens, DescribeBatch, describe_any
from attn_monitor.monitor.guard import random_state_kept
from attn_monitor.monitor.moving import copied
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.tokens import TokenSource, padding_id

REPLAY_SENTENCES = 16  # per forward pass: small enough for any model that trains on batches


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeBatch:
    """A batch to replay, on the CPU, and the sentences in it.

    Attributes:
        split: The loader it was drawn from.
        batch: Exactly what the loader's ``collate_fn`` made of the drawn sentences.
        tokens: The token ids per sentence.
        rows: Which rows of the batch are probes.
    """

    split: Split
    batch: object
    tokens: BatchTokens
    rows: tuple[int, ...]


def draw_all(
    options: MonitorOptions, *, validation: object, training: object = None
) -> tuple[ProbeBatch, ...]:
    """Draw every sentence that the options ask for.

    Args:
        options: How many of each kind, the seed, and how to read a batch.
        validation: A loader, or a list of batches; of several loaders the first speaks for all.
        training: Likewise; ``None`` where nothing is trained.

    Raises:
        BatchNotUnderstoodError: The tokens of a batch could not be found.
        ConfigurationError: There is no batch to draw from.
    """
    wanted: list[tuple[object, Split, int, int]] = [
        (validation, "val", options.probes, 0),
        # The same seed and a longer draw: what follows the probes, never a probe again.
        (validation, "lens", options.lens_sentences, options.probes),
    ]
    if training is not None and options.train_probes:
        wanted.insert(1, (training, "train", options.train_probes, 0))
        val, train = options.probes + options.lens_sentences, options.train_probes
        wanted += [
            (validation, "val_output", max(options.signal_sentences - val, 0), val),
            (training, "train_output", max(options.signal_sentences - train, 0), train),
        ]
    drawn = tuple(
        batch
        for loader, split, count, skip in wanted
        if count
        for batch in draw(
            loader,
            split=split,
            count=count,
            skip=skip,
            seed=options.seed,
            tokens=options.tokens,
            describe_batch=options.describe_batch,
        )
    )
    if not any(batch.split == "val" for batch in drawn):
        raise ConfigurationError(
            f"no sentence could be drawn from {type(validation).__name__}: it gave no batch. Give "
            "a DataLoader or a list of batches; a generator that was used before is empty"
        )
    return drawn


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
    that shuffling, workers and batch size do not matter. From any other iterable, and from a
    dataset of whole batches or one that is not indexed by numbers, the first sentences are taken.
    Sentences without tokens are left out. ``skip`` leaves out that many at the start of the same
    draw.

    Raises:
        BatchNotUnderstoodError: The tokens of a batch could not be found.
    """

    def read(batch: object) -> BatchTokens:
        return describe_any(batch, pad_id=padding_id(tokens), describe_batch=describe_batch)

    loader = _one_loader(loader)
    with random_state_kept():
        if _has_sentences_by_number(loader):
            return _by_index(loader, split, range(skip, skip + count), seed, read)
        return _first(loader, split, range(skip, skip + count), read)


def _has_sentences_by_number(loader: object) -> TypeGuard[DataLoader[object]]:
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return False
    if loader.batch_sampler is None:  # of whole batches
        return False
    try:
        loader.dataset[0]
    except (LookupError, TypeError):  # its sampler knows what to ask it for
        return False
    return True


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
        batch = copied(loader.collate_fn(samples))
        described = read(batch)
        rows = _filled(described)
        if rows:
            drawn.append(ProbeBatch(split=split, batch=batch, tokens=described, rows=rows))
    return tuple(drawn)


def _first(
    batches: Iterable[object], split: Split, turn: range, read: Callable[[object], BatchTokens]
) -> tuple[ProbeBatch, ...]:
    drawn: list[ProbeBatch] = []
    seen = 0
    for batch in batches:
        if seen >= turn.stop:
            break
        kept = copied(batch)
        described = read(kept)
        rows = tuple(row for row in _filled(described) if seen + row in turn)
        seen += len(described)
        if rows:
            drawn.append(ProbeBatch(split=split, batch=kept, tokens=described, rows=rows))
    return tuple(drawn)


def _filled(tokens: BatchTokens) -> tuple[int, ...]:
    return tuple(row for row, ids in enumerate(tokens.source.ids) if ids)


def _one_loader(loader: object) -> Iterable[object]:
    """Of several loaders, in a list, a dict or a CombinedLoader, the first speaks for all."""
    nested = getattr(loader, "flattened", None)
    if isinstance(nested, list) and nested:
        return _one_loader(nested[0])
    if isinstance(loader, Mapping):
        return _one_loader(next(iter(loader.values()), ()))
    if isinstance(loader, list | tuple) and loader and not _is_batch(loader[0]):
        return _one_loader(loader[0])
    return loader if isinstance(loader, Iterable) else ()


def _is_batch(item: object) -> bool:
    """Tell a list of batches from a list of loaders."""
    return isinstance(item, Tensor | Mapping | list | tuple) or not isinstance(item, Iterable)
