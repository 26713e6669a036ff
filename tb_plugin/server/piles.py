"""Which heads of a layer do the same: merge trees, for the page to cut. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from attn_monitor.analysis.piles import PileTree, pile_distances, pile_tree
from attn_monitor.core.maps import Maps
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
        trees.append(_tree(maps, query))
    return {
        "step": query.step,
        "part": query.part,
        "split": query.split,
        "scale": query.scale,
        "sentences": len(sentences),
        "layers": [plain(tree) for tree in trees],
    }


def _tree(sentences: Sequence[Maps], query: PilesQuery) -> PileTree:
    """Return the merge tree; a head with weights that are not numbers is never merged."""
    finite = [np.isfinite(maps.attn).all(axis=(1, 2)) for maps in sentences]
    kept = np.flatnonzero(np.all(finite, axis=0))
    heads = len(sentences[0].attn)
    if len(kept) == 0:
        nothing = np.empty((0, 4))
        return PileTree(heads=heads, linkage=query.linkage, merges=nothing, cophenetic=np.nan)
    distances = pile_distances(sentences, scale=query.scale)[np.ix_(kept, kept)]
    tree = pile_tree(distances, linkage=query.linkage)
    piles = np.concatenate([kept, heads + np.arange(len(tree.merges))])
    merges = tree.merges.copy()
    merges[:, :2] = piles[merges[:, :2].astype(int)]
    return replace(tree, heads=heads, merges=merges)
