"""Which heads of a layer do the same: merge trees, for the page to cut. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from attn_monitor.analysis.piles import pile_distances, pile_tree
from attn_monitor.store import Run
from tb_plugin.server.head_maps import layer_of, sentences_of
from tb_plugin.server.plain import plain
from tb_plugin.server.queries import PilesQuery


def describe_piles(run: Run, query: PilesQuery) -> Mapping[str, object]:
    """Return the merge tree of every layer; see ``http_api.md``, ``/piles``.

    Raises:
        NotRecordedError: No sentence of the split has maps at this step.
        CorruptRecordingError: The step's file is damaged.
    """
    step, part = query.step, query.part
    sentences = sentences_of(run, step=step, part=part, split=query.split)
    trees = []
    for layer in range(len(run.part(part).layers)):  # one after another: maps are large
        maps = [layer_of(run, step=step, part=part, probe=p, layer=layer) for p in sentences]
        trees.append(pile_tree(pile_distances(maps, scale=query.scale), linkage=query.linkage))
    return {
        "step": query.step,
        "part": query.part,
        "split": query.split,
        "scale": query.scale,
        "sentences": len(sentences),
        "layers": [plain(tree) for tree in trees],
    }
