"""What can be done with a run by code that stands above the store, found by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, cast


class Above:
    """The half of :class:`Run` that does more than read."""

    def show(self, *, height: int = 800) -> object:
        """Return the views below a notebook's cell, ``height`` pixels high; no server is started.

        With anywidget, the extra ``[notebook]``, they follow the run; else they show it as of now.
        """
        above = importlib.import_module("tb_plugin.notebook")
        return cast(object, above.show(self, height=height))

    def ask(
        self,
        model: object,
        texts: str | Sequence[object],
        **options: Any,  # noqa: ANN401  # of attn_monitor.asking.ask, which describes them
    ) -> tuple[int, ...]:
        """Record further sentences beside those that were replayed while the model trained.

        They are shown beside the others, marked as asked later, and are in no mean and no signal.

        Args:
            model: The ``torch.nn.Module``; its weights are those of ``step`` unless
                ``checkpoints`` brings others. It is left as it is.
            texts: One sentence or several; or batches, as in ``probes=``.
            options: ``checkpoints`` (a pattern, or paths), or ``step`` (by default the last one
                recorded); ``mute`` (``["L3H4"]``, layers and heads counted from 1 as in the tab);
                ``tokens``, ``tokenizer``, ``describe_batch`` and ``replay`` as of
                :class:`attn_monitor.AttentionRecorder`; ``progress``.

        Returns:
            The index of each new probe; with ``mute`` every sentence twice, first with all heads.

        Raises:
            ConfigurationError: No such step was recorded, the model is not the one recorded, or a
                head cannot be muted.
        """
        above = importlib.import_module("attn_monitor.asking")
        ask = cast(Callable[..., tuple[int, ...]], above.ask)
        found = ask(self, model, texts, **options)
        self.refresh()
        return found

    def refresh(self) -> bool:
        """Pick up what was recorded since; return whether anything changed."""
        raise NotImplementedError
