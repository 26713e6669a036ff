"""The probe sentences: which are wanted, and the batches that they are replayed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import Split
from attn_monitor.monitor.batches import BatchTokens, describe_any
from attn_monitor.monitor.calls import ModuleCall, ModuleCalls
from attn_monitor.monitor.guard import random_state_kept
from attn_monitor.monitor.loader_process import (
    batches_by_index,
    first_batches,
    numbers_of_a_draw,
    one_loader,
)
from attn_monitor.monitor.moving import copied
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.own import (
    check_batch,
    check_count,
    check_tokenized,
    texts_of,
    tokenized,
)
from attn_monitor.monitor.rows import CannotSplitError, take_rows
from attn_monitor.monitor.tokens import padding_id

REPLAY_SENTENCES: Final = 16  # per forward pass: small enough for any model that trains on batches
Side = Literal["val", "train"]
SIDES: Final[dict[Split, Side]] = {
    "val": "val",
    "train": "train",
    "lens": "val",
    "val_output": "val",
    "train_output": "train",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeBatch:
    """A batch to replay, on the CPU, and the sentences in it.

    Attributes:
        split: What its sentences are for, and which loader delivered them.
        batch: The batch as the model's step gets it, or some of its sentences.
        tokens: The token ids per sentence.
        rows: Which rows of the batch are probes.
        calls: The module calls that stand for the step; empty to run the step itself.
        own: The user gave it: no loader did.
        forward: It is what the model's ``forward`` takes, which its step may not.
    """

    split: Split
    batch: object
    tokens: BatchTokens
    rows: tuple[int, ...]
    calls: tuple[ModuleCall, ...] = ()
    own: bool = False
    forward: bool = False

    @property
    def input(self) -> object:
        """What a replay is given: the batch, or the module calls that stand for the step."""
        if not self.calls:
            return self.batch
        return ModuleCalls(tuple(call.sharing(self.batch) for call in self.calls))


def wanted(options: MonitorOptions, *, training: bool) -> dict[Split, int]:
    """Return how many sentences of each kind are to be drawn, in the order of a recording.

    Args:
        options: What the user set.
        training: Whether there are training sentences to compare with.
    """
    probes = options.probes if isinstance(options.probes, int) else 0  # else they are given
    counts: dict[Split, int] = {"val": probes}
    if training and options.train_probes:
        counts["train"] = options.train_probes
    counts["lens"] = options.lens_sentences
    if training and options.train_probes:
        seen = probes + options.lens_sentences
        counts["val_output"] = max(options.signal_sentences - seen, 0)
        counts["train_output"] = max(options.signal_sentences - options.train_probes, 0)
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A batch that was kept, copied to the CPU.

    Attributes:
        batch: The batch.
        tokens: What is in it.
        calls: What the model's step called with it.
    """

    batch: object
    tokens: BatchTokens
    calls: tuple[ModuleCall, ...] = ()

    @property
    def filled(self) -> tuple[int, ...]:
        """The rows with a sentence that has tokens."""
        return tuple(row for row, ids in enumerate(self.tokens.source.ids) if ids)


def read(batch: object, options: MonitorOptions) -> BatchTokens:
    """Return what is in a batch, read as the options say.

    Raises:
        BatchNotUnderstoodError: Its tokens could not be found.
    """
    pad_id = padding_id(options.tokens)
    return describe_any(batch, pad_id=pad_id, describe_batch=options.describe_batch)


def probe_batches(
    kept: Kept, split: Split, rows: Sequence[int], options: MonitorOptions
) -> list[ProbeBatch]:
    """Return batches to replay that hold these sentences of a kept batch.

    Each has few sentences; a batch that cannot be taken apart is replayed whole.
    """
    batches = []
    for first in range(0, len(rows), REPLAY_SENTENCES):
        some = tuple(rows[first : first + REPLAY_SENTENCES])
        part = _part(kept, split, some, options)
        if part is None:
            whole = ProbeBatch(
                split=split,
                batch=kept.batch,
                tokens=kept.tokens,
                rows=tuple(rows),
                calls=kept.calls,
            )
            return [whole]
        batches.append(part)
    return batches


def _part(
    kept: Kept, split: Split, rows: tuple[int, ...], options: MonitorOptions
) -> ProbeBatch | None:
    total = len(kept.tokens)
    try:
        batch = take_rows(kept.batch, rows, total)
        calls = tuple(call.of_rows(rows, total) for call in kept.calls)
        tokens = read(batch, options)
    except CannotSplitError:
        return None
    except Exception:  # noqa: BLE001  # a user's describe_batch may want the batch whole
        return None
    same = tokens.source.ids == tuple(kept.tokens.source.ids[row] for row in rows)
    if not same:
        return None
    return ProbeBatch(
        split=split, batch=batch, tokens=tokens, rows=tuple(range(len(rows))), calls=calls
    )


def draw_all(
    options: MonitorOptions, *, validation: object, training: object = None
) -> tuple[ProbeBatch, ...]:
    """Draw every sentence that the options ask for from loaders that were handed over for it.

    Args:
        options: How many of each kind, the seed, and how to read a batch.
        validation: A loader, or a list of batches; of several loaders the first speaks for all.
        training: Likewise; ``None`` where nothing is trained.

    Raises:
        BatchNotUnderstoodError: The tokens of a batch could not be found.
        ConfigurationError: There is no batch to draw from, or it cannot be read undisturbed.
    """
    drawn = list(own_probes(options))
    skip = {"val": 0, "train": 0}
    for split, count in wanted(options, training=training is not None).items():
        side = SIDES[split]
        if count:
            loader = validation if side == "val" else training
            # The same seed and a longer draw: what follows the sentences drawn before.
            drawn += draw(loader, split=split, count=count, skip=skip[side], options=options)
            skip[side] += count
    if not any(batch.split == "val" for batch in drawn):
        raise ConfigurationError(
            f"no sentence could be drawn from {type(validation).__name__}: it gave no batch. Give "
            "a DataLoader or a list of batches; a generator that was used before is empty"
        )
    return tuple(drawn)


def own_probes(options: MonitorOptions, *, forward: bool = False) -> tuple[ProbeBatch, ...]:
    """Return the probes that the user gave, in their order; none where they are to be drawn.

    Args:
        options: What the user set.
        forward: Whether texts are for the model's ``forward``, where there is also a step.

    Raises:
        BatchNotUnderstoodError: The tokens of a batch could not be found.
        ConfigurationError: A text or a batch cannot serve; the message names it.
    """
    if isinstance(options.probes, int):
        return ()
    found: list[ProbeBatch] = []
    texts = texts_of(options.probes)
    if texts is not None:
        with random_state_kept():
            how = options.tokenizer, options.tokens
            cut = list(tokenized(texts, *how, at_once=REPLAY_SENTENCES))
        for some, batch in cut:
            tokens = read(batch, options)
            check_tokenized(some, batch, tokens)
            rows = tuple(range(len(some)))
            found.append(
                ProbeBatch(
                    split="val",
                    batch=copied(batch),
                    tokens=tokens,
                    rows=rows,
                    own=True,
                    forward=forward,
                )
            )
    else:
        for number, batch in enumerate(options.probes):
            kept = Kept(batch=copied(batch), tokens=read(batch, options))
            check_batch(number, batch, kept.tokens)
            parts = probe_batches(kept, "val", kept.filled, options)
            found += [replace(part, own=True) for part in parts]
    check_count(sum(len(batch.rows) for batch in found))
    return tuple(found)


def draw(
    loader: object, *, split: Split, count: int, options: MonitorOptions, skip: int = 0
) -> tuple[ProbeBatch, ...]:
    """Draw ``count`` sentences with a seed, in a process of its own: the loader stays as it is.

    A map-style dataset is sampled by index and collated by the loader's own ``collate_fn``, so
    that shuffling, workers and batch size do not matter. From any other iterable, and from a
    dataset of whole batches or one that is not indexed by numbers, the first sentences are taken.
    Sentences without tokens are left out. ``skip`` leaves out that many at the start of the same
    draw.

    Raises:
        BatchNotUnderstoodError: The tokens of a batch could not be found.
        ConfigurationError: The loader cannot be read without being disturbed.
    """
    loader = one_loader(loader)
    turn = range(skip, skip + count)
    chosen = batches_by_index(loader, numbers_of_a_draw(options.seed, turn, REPLAY_SENTENCES))
    if chosen is not None:
        kept = [Kept(batch=batch, tokens=read(batch, options)) for batch in chosen]
        return tuple(
            ProbeBatch(split=split, batch=each.batch, tokens=each.tokens, rows=each.filled)
            for each in kept
            if each.filled
        )
    drawn: list[ProbeBatch] = []
    seen = 0
    for batch in first_batches(loader):
        if seen >= turn.stop:
            break
        found = Kept(batch=batch, tokens=read(batch, options))
        rows = tuple(row for row in found.filled if seen + row in turn)
        seen += len(found.tokens)
        drawn += probe_batches(found, split, rows, options) if rows else []
    return tuple(drawn)
