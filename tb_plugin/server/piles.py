"""Which heads of a layer do the same: merge trees, for the page to cut. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from attn_monitor.analysis.piles import pile_distances, pile_tree
from attn_monitor.store import Run
from tb_plugin.server.heads import sentences_of
from tb_plugin.server.plain import plain
from tb_plugin.server.queries import PilesQuery


def describe_piles(run: Run, query: PilesQuery) -> Mapping[str, object]:
    """Return the merge tree of every layer; see ``http_api.md``, ``/piles``.

    Raises:
        NotRecordedError: No sentence of the split has maps at this step.
        CorruptRecordingError: The step's file is damaged.
    """
    sentences = sentences_of(run, step=query.step, part=query.part, split=query.split)
    trees = [
        pile_tree(pile_distances(layer, scale=query.scale), linkage=query.linkage)
        for layer in zip(*sentences, strict=True)
    ]
    return {
        "step": query.step,
        "part": query.part,
        "split": query.split,
        "scale": query.scale,
        "sentences": len(sentences),
        "layers": [plain(tree) for tree in trees],
    }
