"""The tables of docs/overfitting.md, from the files that overfitting_study.py left.

python examples/overfitting_report.py --out overfitting_study --half development
python examples/overfitting_report.py --out overfitting_study --half held-out
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from overfitting_study import configurations
from scipy import stats

from attn_monitor.signals.context import TOPOLOGY
from attn_monitor.signals.gap import first_met, measure_gap
from attn_monitor.signals.losses import RISE, smoothed, turning_points
from attn_monitor.signals.output_signals import ALPHA, TIMES
from attn_monitor.signals.separation import separate

BOOTSTRAPS = 2000
TESTED = ("output entropy", "hidden norm", "null: output entropy", "null: hidden norm",
          "attention separation", "topology separation", "row entropy separation",
          "loops, train against val", "rare words")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run: its truth, and every candidate as one number per recorded step.

    Attributes:
        name: Configuration and seed.
        task: Its task.
        overfit: The truth.
        best: Index of the smoothed minimum of the validation loss.
        risen: Per step, whether the validation loss is more than 3 % above the best so far.
        gap: Loss on validation minus loss on training sentences.
        curves: Candidate -> one value per step; larger should mean more overfitting.
        p: Candidate -> permutation p-value per step, for those that are tested.
        noise_auc: How well each statistic ranks wrongly labelled training probes first.
    """

    name: str
    task: str
    overfit: bool
    best: int
    risen: np.ndarray
    gap: np.ndarray
    curves: dict[str, np.ndarray]
    p: dict[str, np.ndarray]
    noise_auc: dict[str, float]


def load(path: Path, task: str) -> Run:
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    curves: dict[str, np.ndarray] = {}
    p: dict[str, np.ndarray] = {}

    def compare(name: str, val: np.ndarray, train: np.ndarray) -> None:
        found = measure_gap(val - val[0], train - train[0])
        curves[name], p[name] = found.t, found.p

    for title, column, sign in (
        ("output entropy", "output_entropy", 1),
        ("hidden norm", "hidden_norm", -1),
    ):
        val, train, other = (sign * data[f"{column}/{which}"] for which in ("val", "train", "lens"))
        compare(title, val, train)
        compare(f"null: {title}", val, other)
    names = data["metric_names"].tolist()
    groups = {
        "attention separation": [i for i, n in enumerate(names) if n not in TOPOLOGY],
        "topology separation": [i for i, n in enumerate(names) if n in TOPOLOGY],
        "row entropy separation": [names.index("row_entropy")],
    }
    val, train = data["metrics/val"], data["metrics/train"]
    for title, columns in groups.items():
        found = [
            separate(
                (val[i] - val[0])[..., columns], (train[i] - train[0])[..., columns], shuffles=1999
            )
            for i in range(1, len(val))
        ]
        curves[title] = np.array([np.nan, *(one.z for one in found)])
        p[title] = np.array([np.nan, *(one.p for one in found)])
    loops = names.index("h1_count")
    compare("loops, train against val", *(x[..., loops].mean(axis=(2, 3)) for x in (val, train)))
    rare = [
        data[f"rare/{w}"].mean(axis=(2, 3)) / np.maximum(data[f"rare_share/{w}"], 0.04)
        for w in ("val", "train")
    ]
    compare("rare words", *rare)
    curves["drift of attention"] = np.nanmean(
        np.abs(np.nanmean(val - val[0], axis=1)), axis=(1, 2, 3)
    )
    curves["QK spectral norm"] = np.log(data["qk_norm"] / data["qk_norm"][0]).mean(axis=(1, 2))
    units = data["units/val"], data["units/train"]
    curves["unit correlation, val"] = units[0][:, 0]
    curves["unit correlation, val - train"] = units[0][:, 0] - units[1][:, 0]
    curves["unit loops, train - val"] = units[1][:, 1] - units[0][:, 1]
    return judged(path.stem, task, data, curves=curves, p=p, noise_auc=noisy_sentences(data))


def judged(
    name: str,
    task: str,
    data: dict[str, np.ndarray],
    *,
    curves: dict[str, np.ndarray],
    p: dict[str, np.ndarray],
    noise_auc: dict[str, float] | None = None,
) -> Run:
    """Add the truth and the baselines, which both follow from the losses, to the candidates."""
    smooth = smoothed(data["val_loss"])
    best, rise = turning_points(smooth)
    so_far = np.fmin.accumulate(smooth)
    gap = data["val_loss"] - data["train_loss"]
    baselines = {
        "epoch number": np.arange(len(smooth), dtype=float),
        "validation loss": data["val_loss"],
        "loss gap": gap,
    }
    return Run(
        name=name,
        task=task,
        overfit=rise is not None,
        best=best or 0,
        risen=np.where(np.isfinite(smooth), smooth > so_far * (1 + RISE), False),
        gap=gap,
        curves=baselines | curves,
        p=p,
        noise_auc=noise_auc or {},
    )


def noisy_sentences(data: dict[str, np.ndarray]) -> dict[str, float]:
    """How well each statistic ranks the wrongly labelled training probes first, as an AUC."""
    noisy = data["noisy"]
    if not noisy.any():
        return {}
    entropy, metrics = data["output_entropy/train"], data["metrics/train"]
    change = (metrics[-1] - metrics[0]).reshape(len(noisy), -1)
    change = change[:, np.isfinite(change).all(axis=0)]
    odd = np.abs((change - np.median(change, axis=0)) / (change.std(axis=0) + 1e-9)).mean(axis=1)
    return {
        "output entropy at the end": auc(entropy[-1], noisy),
        "output entropy, mean over training": auc(entropy[1:].mean(axis=0), noisy),
        "attention: distance from the median sentence": auc(odd, noisy),
        "loss at the end (needs labels)": auc(data["loss/train"][-1], noisy),
        "loss, mean over training (needs labels)": auc(data["loss/train"][1:].mean(axis=0), noisy),
    }  # fmt: skip


def auc(score: np.ndarray, truth: np.ndarray) -> float:
    positive, negative = score[truth], score[~truth]
    if not len(positive) or not len(negative):
        return float("nan")
    return float(stats.mannwhitneyu(positive, negative).statistic / len(positive) / len(negative))


def score(curve: np.ndarray) -> float:
    """What a rule of "twice in a row" sees: the largest smaller value of two neighbours."""
    return float(np.nanmax(np.fmin(curve[1:], curve[:-1]))) if np.isfinite(curve).any() else 0.0


def interval(hits: int, of: int) -> str:
    if not of:
        return "-"
    found = stats.binomtest(hits, of).proportion_ci(method="exact")
    return f"{hits}/{of} ({found.low:.0%} to {found.high:.0%})"


def with_bootstrap(runs: list[Run], measure: Callable[[list[Run]], float]) -> str:
    rng = np.random.default_rng(0)
    value = measure(runs)
    if not np.isfinite(value):
        return "-"
    some = [
        measure([runs[i] for i in rng.integers(0, len(runs), len(runs))])
        for _ in range(BOOTSTRAPS // 4)
    ]
    low, high = np.nanquantile(some, (0.025, 0.975))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def row(name: str, runs: list[Run]) -> list[str]:
    overfit, healthy = [r for r in runs if r.overfit], [r for r in runs if not r.overfit]
    truth = {r.name: r.overfit for r in runs}
    scores = {r.name: score(r.curves[name]) for r in runs}

    def run_auc(some: list[Run]) -> float:
        return auc(
            np.array([scores[r.name] for r in some]), np.array([truth[r.name] for r in some])
        )

    def step_auc(some: list[Run]) -> float:
        values = np.concatenate([r.curves[name][2:] for r in some])
        risen = np.concatenate([r.risen[2:] for r in some])
        defined = np.isfinite(values)
        return auc(values[defined], risen[defined])

    last = [(r.curves[name][-1], r.gap[-1]) for r in runs if np.isfinite(r.curves[name][-1])]
    across = (
        stats.spearmanr(*zip(*last, strict=True)).statistic
        if len(last) > 2 and np.ptp([a for a, _ in last])
        else np.nan
    )
    steps = []
    for r in runs:
        pair = np.diff(r.curves[name][1:]), np.diff(r.gap[1:])
        if np.isfinite(pair).all() and np.ptp(pair[0]) > 0:
            steps.append(stats.spearmanr(*pair).statistic)
    cells = [name]
    if name in TESTED:
        at = {r.name: first_met(r.p[name] <= ALPHA, times=TIMES) for r in runs}
        lags = [at[r.name] - r.best for r in overfit if at[r.name] is not None]
        cells += [
            interval(sum(at[r.name] is not None for r in overfit), len(overfit)),
            interval(sum(at[r.name] is not None for r in healthy), len(healthy)),
            f"{np.median(lags):+.0f} ({min(lags):+d} to {max(lags):+d})" if lags else "-",
        ]
    else:
        cells += ["-", "-", "-"]
    cells += [with_bootstrap(runs, run_auc), with_bootstrap(runs, step_auc)]
    cells += [f"{across:+.2f}", f"{np.median(steps):+.2f}" if steps else "-"]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("overfitting_study"))
    parser.add_argument("--half", choices=["development", "held-out", "all"], default="development")
    parser.add_argument("--runs", action="store_true", help="also one line per run")
    options = parser.parse_args()
    wanted = {"development": [False], "held-out": [True], "all": [False, True]}[options.half]
    folder = options.out / "results"
    runs = [
        load(path, config.task)
        for config in configurations()
        if config.held_out in wanted
        for path in sorted(folder.glob(f"{config.task}-{config.name}-s[0-9]*.npz"))
        if not path.stem.endswith(".tmp")
    ]  # fmt: skip
    print(f"{len(runs)} runs, {sum(r.overfit for r in runs)} overfit")
    for task in ("tweets", "docs", "minilm"):
        some = [r for r in runs if r.task == task]
        print(f"  {task}: {len(some)} runs, {sum(r.overfit for r in some)} overfit")
    if options.runs:
        for r in runs:
            at = first_met(r.p["output entropy"] <= ALPHA, times=TIMES)
            print(
                f"  {r.name}: {'overfit' if r.overfit else 'healthy'}, best {r.best}, flag {at}, "
                f"gap {r.gap[-1]:.2f}"
            )
    head = [
        "signal",
        "detected",
        "false alarms",
        "lag",
        "AUC, runs",
        "AUC, steps",
        "across runs",
        "first differences",
    ]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for name in runs[0].curves:
        print("| " + " | ".join(row(name, runs)) + " |", flush=True)
    print("\nOutput entropy by task:")
    for task in ("tweets", "docs", "minilm"):
        some = [r for r in runs if r.task == task]
        if some:
            print(f"| {task} | " + " | ".join(row("output entropy", some)[1:]) + " |")
    noisy = [r.noise_auc for r in runs if r.noise_auc]
    for name in noisy[0] if noisy else ():
        values = [one[name] for one in noisy]
        print(
            f"noise, {name}: AUC median {np.median(values):.2f}, {min(values):.2f} to "
            f"{max(values):.2f}, {len(values)} runs"
        )


if __name__ == "__main__":
    main()
