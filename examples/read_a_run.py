"""Read a recording without TensorBoard: sort its heads, pile them, draw them, hand it to xarray.

python examples/vision.py                             # or any run of your own
python examples/read_a_run.py lightning_logs/vision/version_0
tensorboard --logdir lightning_logs                   # the same run in the tab "Attention"
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from attn_monitor import open_run
from attn_monitor.analysis.piles import cut, pile_distances, pile_tree
from attn_monitor.core.maps import Maps
from attn_monitor.figures import head_grid, pile_sheet, sorted_heads
from attn_monitor.store import Run

PILE_DISTANCE = 0.3  # heads closer than this do the same; 0 to 1


def whole_part(run: Run, *, step: int, probe: int, part: str) -> np.ndarray:
    """Return [layer, head, query, key], for a model whose layers have as many heads each."""
    layers = range(len(run.part(part).layers))
    return np.stack([run.attention(step=step, probe=probe, part=part, layer=n) for n in layers])


def piles(run: Run, *, step: int, part: str) -> np.ndarray:
    """Return the pile of every head, [layer, head], compared over the validation sentences."""
    cross = run.part(part).kind == "cross"
    shown = [probe.index for probe in run.probes if probe.split == "val"]
    sentences = [whole_part(run, step=step, probe=probe, part=part) for probe in shown]
    labels = []
    for layer in range(len(run.part(part).layers)):
        distances = pile_distances([Maps(attn=maps[layer], cross=cross) for maps in sentences])
        labels.append(cut(pile_tree(distances), height=PILE_DISTANCE))
    return np.stack(labels)


def draw(run: Run, *, step: int, part: str, metric: str, folder: Path) -> None:
    """Draw the first sentence: every head, heads in the order of a metric, and piles."""
    attn = whole_part(run, step=step, probe=0, part=part)
    query, key = run.probe(0).axes(run.part(part))
    spec = next(spec for spec in run.metrics if spec.name == metric)
    values = run.metric(metric, part=part)[run.steps.index(step)]
    common = {
        "query_tokens": query.text,
        "key_tokens": key.text,
        "title": f"{part}, step {step}",
    }
    figures = {
        "heads.png": head_grid(attn, **common),
        "sorted.png": sorted_heads(attn, values, spec=spec, **common),
        "piles.png": pile_sheet(
            attn, piles(run, step=step, part=part), height=PILE_DISTANCE, **common
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / name)
        print(f"  {folder / name}")


def in_xarray(run: Run, *, part: str, metric: str) -> str:
    """Name the axes of every metric at every step, and find the head that changed most."""
    import xarray  # noqa: PLC0415  # optional

    array = xarray.DataArray(
        run.metric_values(part=part),
        dims=("step", "layer", "head", "metric"),
        coords={"step": list(run.steps), "metric": [spec.name for spec in run.metrics]},
    )
    chosen = array.sel(metric=metric)
    moved = abs(chosen.isel(step=-1) - chosen.isel(step=0))
    place = moved.argmax(["layer", "head"])
    return (
        f"As an xarray of {dict(array.sizes)}: {metric} moved most in layer "
        f"{int(place['layer']) + 1} head {int(place['head']) + 1}, by {float(moved.max()):.3f}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", help="the directory of a run, or an address fsspec understands")
    parser.add_argument("--part", help="encoder, decoder, cross; default: the first")
    parser.add_argument("--metric", default="row_entropy")
    parser.add_argument("--out", type=Path, default=Path("attention_pictures"))
    options = parser.parse_args()
    run = open_run(options.run)
    part = options.part or run.parts[0]
    step = run.steps[-1]
    print(f"{len(run.steps)} steps, parts {', '.join(run.parts)}, {len(run.probes)} sentences")

    curve = run.metric(options.metric, part=part)  # [step, layer, head]
    order = np.argsort(curve[-1], axis=None)
    print(f"\nHeads of the {part} by {options.metric}, lowest first, before and after training:")
    for layer, head in zip(*np.unravel_index(order, curve.shape[1:]), strict=True):
        first, last = curve[0, layer, head], curve[-1, layer, head]
        print(f"  L{layer + 1} H{head + 1}  {first:.3f}  {last:.3f}")

    print("\nPictures of the last step:")
    draw(run, step=step, part=part, metric=options.metric, folder=options.out)

    try:
        print(f"\n{in_xarray(run, part=part, metric=options.metric)}")
    except ImportError:
        print("\npip install xarray   to have every metric as one array with named axes")
    print(
        "\nLook for: heads at the ends of the list, and the same heads in sorted.png; in\n"
        "piles.png, layers whose heads all lie on one pile."
    )


if __name__ == "__main__":
    main()
