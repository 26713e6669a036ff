"""Reading a loader in a process of its own, so that nothing of it is used up or opened here."""

from __future__ import annotations

import copy
import io
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.monitor.moving import copied

_REMEDY = "Give a list of batches instead, for example [next(iter(loader))], read before training"


def batches_by_index(
    loader: object, chosen: Callable[[int], Iterable[list[int]]]
) -> Iterator[object] | None:
    """Return batches of sentences that were chosen by their number.

    Args:
        loader: A loader.
        chosen: From how many sentences there are to the numbers of each batch.

    Returns:
        Copies on the CPU; ``None`` for a loader whose sentences have no numbers.

    Raises:
        ConfigurationError: The loader cannot be read without being disturbed.
    """
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return None
    if loader.batch_sampler is None:  # of whole batches
        return None

    def produce() -> Iterator[object]:
        dataset = loader.dataset
        try:
            dataset[0]
            size = len(dataset)  # type: ignore[arg-type]  # map-style: it has a length
        except (LookupError, TypeError):  # its sampler knows what to ask it for
            yield False
            return
        yield True
        for numbers in chosen(size):
            yield loader.collate_fn([dataset[i] for i in numbers])

    found = _elsewhere(loader, produce)
    return found if next(found, False) is True else None


def first_batches(loader: object) -> Iterator[object]:
    """Return copies of a loader's batches, from the first on.

    Raises:
        ConfigurationError: The loader cannot be read without being disturbed.
    """
    loader = one_loader(loader)
    if isinstance(loader, list | tuple):
        return (copied(batch) for batch in loader)
    if iter_is_itself(loader):
        raise ConfigurationError(
            f"a {type(loader).__name__} can be read once only, and what the monitor reads of it "
            f"training would miss. {_REMEDY}"
        )

    def produce() -> Iterator[object]:
        here = loader
        if isinstance(here, DataLoader):
            here = copy.copy(here)
            here.num_workers, here.timeout, here.pin_memory = 0, 0, False
            here.prefetch_factor = None
        yield from here  # type: ignore[misc]  # something to iterate over

    return _elsewhere(loader, produce)


def one_loader(loader: object) -> object:
    """Of several loaders, in a list, a dict or a CombinedLoader, the first speaks for all."""
    nested = getattr(loader, "flattened", None)
    if isinstance(nested, list) and nested:
        return one_loader(nested[0])
    if isinstance(loader, Mapping):
        return one_loader(next(iter(loader.values()), ()))
    if isinstance(loader, list | tuple) and loader and not _is_batch(loader[0]):
        return one_loader(loader[0])
    return loader if isinstance(loader, Iterable) else ()


def iter_is_itself(loader: object) -> bool:
    """Return whether a loader is an iterator: what was read of it is gone."""
    return isinstance(loader, Iterator)


def _is_batch(item: object) -> bool:
    """Tell a list of batches from a list of loaders."""
    return isinstance(item, Tensor | Mapping | list | tuple) or not isinstance(item, Iterable)


class _Elsewhere(IterableDataset[object]):
    def __init__(self, produce: Callable[[], Iterator[object]]) -> None:
        self.produce = produce

    def __iter__(self) -> Iterator[object]:
        return self.produce()


def _elsewhere(loader: object, produce: Callable[[], Iterator[object]]) -> Iterator[object]:
    """Run a generator in a process of its own; what it opens, draws or uses up stays there."""
    shared = _open_file(getattr(loader, "dataset", loader))
    if shared is not None:
        raise ConfigurationError(
            f"the dataset holds an open file ({shared}), whose place two processes would share. "
            f"{_REMEDY}"
        )
    forks = "fork" in multiprocessing.get_all_start_methods()
    reader = DataLoader(
        _Elsewhere(produce),
        batch_size=None,
        num_workers=1,
        collate_fn=_as_it_is,
        generator=torch.Generator().manual_seed(0),
        multiprocessing_context="fork" if forks else None,
    )
    return (copied(batch) for batch in reader)


def _as_it_is(batch: object) -> object:
    return batch


def _open_file(dataset: object) -> str | None:
    attributes = getattr(dataset, "__dict__", {})
    found = (name for name, value in attributes.items() if isinstance(value, io.IOBase))
    return next(found, None)


def numbers_of_a_draw(seed: int, turn: range, at_once: int) -> Callable[[int], Iterator[list[int]]]:
    """Return what chooses sentences with a seed: from their count to the numbers of each batch."""

    def chosen(size: int) -> Iterator[list[int]]:
        order = np.random.default_rng(seed).permutation(size)[turn.start : turn.stop]
        for first in range(0, len(order), at_once):
            yield [int(i) for i in order[first : first + at_once]]

    return chosen
