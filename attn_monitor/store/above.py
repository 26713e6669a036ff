"""What can be done with a run by code that stands above the store, found by name."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from attn_monitor.core.keywords import spelled_out
from attn_monitor.core.nouns import HeadId


class Above:
    """The half of :class:`Run` that does more than read."""

    def show(self, *, height: int = 800) -> object:
        """Return the views below a notebook's cell, ``height`` pixels high; no server is started.

        With anywidget, the extra ``[notebook]``, they follow the run; else they show it as of now.
        """
        above = importlib.import_module("tb_plugin.notebook")
        return cast(object, above.show(self, height=height))

    @spelled_out()
    def ask(
        self,
        model: object,
        texts: str | Sequence[object],
        *,
        checkpoints: str | Iterable[str | os.PathLike[str]] | None = None,
        step: int | None = None,
        mute: Sequence[str | HeadId] = (),
        tokens: object = None,
        tokenizer: object = None,
        describe_batch: Callable[..., object] | None = None,
        replay: Callable[..., object] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> tuple[int, ...]:
        """Record further sentences beside those that were replayed while the model trained.

        They are shown beside the others, marked as asked later, and are in no mean and no signal.

        Args:
            model: The ``torch.nn.Module``; its weights are those of ``step`` unless
                ``checkpoints`` brings others. It is left as it is.
            texts: One sentence or several; or batches, as in ``probes=``.
            checkpoints: A pattern, or paths; instead of ``step``.
            step: Whose weights the model has; by default the last one recorded.
            mute: Heads that are silent, ``["L3H4"]``: counted from 1 as in the tab.
            tokens: As in :class:`attn_monitor.AttentionMonitor`, like the next three.
            tokenizer: From a list of texts to what the model takes.
            describe_batch: Says which tokens a batch holds.
            replay: ``(model, batch) -> anything``: how the model reads a batch.
            progress: Told what is being done, and how many of how many are.

        Returns:
            The index of each new probe; with ``mute`` every sentence twice, first with all heads.

        Raises:
            ConfigurationError: No such step was recorded, the model is not the one recorded, or a
                head cannot be muted.
        """
        above = importlib.import_module("attn_monitor.asking")
        ask = cast(Callable[..., tuple[int, ...]], above.ask)
        found = ask(
            self,
            model,
            texts,
            checkpoints=checkpoints,
            step=step,
            mute=mute,
            tokens=tokens,
            tokenizer=tokenizer,
            describe_batch=describe_batch,
            replay=replay,
            progress=progress,
        )
        self.refresh()
        return found

    def refresh(self) -> bool:
        """Pick up what was recorded since; return whether anything changed."""
        raise NotImplementedError
