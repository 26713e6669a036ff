"""Do sizes tell memorising sooner, and is there a better score? Fourth round.

python examples/overfitting_sizes.py --out overfitting_sizes            # runs; resumable
python examples/overfitting_sizes.py --out overfitting_sizes --report
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import lightning as L
import numpy as np
from overfitting_confirmation import SPLITS, VALIDATION
from overfitting_report import Run, auc, interval, judged, score, with_bootstrap
from overfitting_study import Config, configurations, quiet, save, split, train
from overfitting_tasks import CORPORA, Corpus

from attn_monitor import AttentionMonitor, open_run
from attn_monitor.signals.gap import first_met, measure_gap
from attn_monitor.signals.output_signals import ALPHA, TIMES, changes_since
from attn_monitor.signals.separation import separate

SEEDS = [40, 41]
TASKS = ("tweets", "docs")
PROBES = 48
SIZES = (
    *("writes", "writes_share", "reads", "query_norm", "key_norm", "value_norm"),
    *("logit_mean", "logit_max", "sink"),
)
ENTROPY = "output entropy"
SCORES = (ENTROPY, "both", "larger", "so far")


def run(config: Config, seed: int, corpus: Corpus, out: Path, *, steps: int | None = None) -> Path:
    """Train once, as a user would, and keep outputs and sizes in one npz file."""
    L.seed_everything(seed, verbose=False)
    monitor = AttentionMonitor(
        probes=PROBES,
        train_probes=PROBES,
        lens_sentences=0,
        tokens=corpus.words,
        describe_batch=lambda batch: batch[0],
        audit=False,
        log_images=False,
        log_scalars=False,
        seed=seed,
    )
    folder = out / "runs" / config.run_name(seed)
    train(config, corpus, split(corpus, config, seed), folder, callbacks=[monitor], steps=steps)
    if monitor.failures.count:
        raise SystemExit(f"{config.run_name(seed)}: the monitor reported problems")
    recording = open_run(folder)
    names = [spec.name for spec in recording.metrics]
    columns = [names.index(name) for name in SIZES]
    arrays = {"steps": np.array(recording.steps)}
    for name in ("val_loss", "train_loss"):
        arrays[name] = np.array([recording.scalars(s).get(name, np.nan) for s in recording.steps])
    for name in ("output_entropy", "hidden_norm"):
        for which in SPLITS:
            arrays[f"{name}/{which}"] = recording.outputs(name, split=which)
    for which in ("val", "train"):
        found = recording.probe_metrics(part=recording.parts[0], split=which)
        arrays[f"sizes/{which}"] = found[..., columns]
    path = save(out / "results" / f"{config.run_name(seed)}.npz", arrays)
    shutil.rmtree(folder)
    return path


def load(path: Path, task: str) -> Run:
    """Read a run: every candidate as one number per recorded step, with its p."""
    with np.load(path) as file:
        data = {name: file[name] for name in file.files}
    curves: dict[str, np.ndarray] = {}
    p: dict[str, np.ndarray] = {}
    for title, column, sign in (
        (ENTROPY, "output_entropy", 1),
        ("hidden norm", "hidden_norm", -1),
    ):
        of = {which: sign * data[f"{column}/{which}"] for which in SPLITS}
        val = np.concatenate([of["val"], of["lens"], of["val_output"]], axis=1)
        other = np.concatenate([of["train"], of["train_output"]], axis=1)
        # Validation sentences come by at the first validation: before it there is nothing of them.
        since = changes_since(val, other)
        val, other = (x[:, np.isfinite(x[since])] for x in (val, other))
        found = measure_gap(val - val[since], other - other[since])
        curves[title], p[title] = found.t, found.p
    val, train_ = data["sizes/val"], data["sizes/train"]
    none = [np.nan] * (since + 1)
    for at, name in enumerate(SIZES):
        each = [
            separate(
                (val[i] - val[since])[..., [at]],
                (train_[i] - train_[since])[..., [at]],
                shuffles=1999,
            )
            for i in range(since + 1, len(val))
        ]
        curves[name] = np.array([*none, *(one.z for one in each)])
        p[name] = np.array([*none, *(one.p for one in each)])
    entropy, norm = curves[ENTROPY], curves["hidden norm"]
    curves["both"] = (entropy + norm) / np.sqrt(2)
    curves["larger"] = np.fmax(entropy, norm)
    later = entropy[since + 1 :]
    curves["so far"] = np.array([*none, *np.nancumsum(later) / np.arange(1, len(later) + 1)])
    return judged(path.stem, task, data, curves=curves, p=p)


def runs_of(out: Path, *, held_out: bool) -> list[Run]:
    return [
        load(path, config.task)
        for config in configurations()
        if config.held_out == held_out
        for path in sorted((out / "results").glob(f"{config.task}-{config.name}-s[0-9]*.npz"))
        if not path.stem.endswith(".tmp")
    ]


def report(out: Path) -> None:
    halves = {False: runs_of(out, held_out=False), True: runs_of(out, held_out=True)}
    for held_out, runs in halves.items():
        overfit = [r for r in runs if r.overfit]
        healthy = [r for r in runs if not r.overfit]
        half = "held-out" if held_out else "development"
        print(f"\n{half}: {len(runs)} runs, {len(overfit)} overfit")
        first = {
            name: {r.name: first_met(r.p[name] <= ALPHA, times=TIMES) for r in runs}
            for name in (ENTROPY, *SIZES)
        }
        for name, at in first.items():
            told = [r for r in overfit if at[r.name] is not None]
            sooner = [
                r
                for r in told
                if first[ENTROPY][r.name] is None or at[r.name] < first[ENTROPY][r.name]
            ]
            lags = [at[r.name] - r.best for r in told]
            wrong = sum(at[r.name] is not None for r in healthy)
            cells = (
                interval(len(told), len(overfit)),
                interval(wrong, len(healthy)),
                f"{np.median(lags):+.0f}" if lags else "-",
                f"{len(sooner)}" if name != ENTROPY else "",
                _auc(runs, name),
            )
            print("| " + " | ".join((name, *cells)) + " |")
    # The best of the development half, judged once on the other.
    value = {name: _plain(halves[False], name) for name in SCORES}
    chosen = max(SCORES, key=lambda name: value[name])
    print("\nscores, development:", {name: f"{value[name]:.3f}" for name in SCORES})
    print(f"chosen: {chosen}; held out: {_auc(halves[True], chosen)}")
    print(f"as shipped, held out: {_auc(halves[True], ENTROPY)}")


def _plain(runs: list[Run], name: str) -> float:
    found = np.array([score(r.curves[name]) for r in runs])
    return auc(found, np.array([r.overfit for r in runs]))


def _auc(runs: list[Run], name: str) -> str:
    return with_bootstrap(runs, lambda some: _plain(some, name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("overfitting_sizes"))
    parser.add_argument("--report", action="store_true", help="tables of the runs made so far")
    options = parser.parse_args()
    if options.report:
        report(options.out)
        return
    quiet()
    corpora: dict[str, Corpus] = {}
    for config, seed in ((c, s) for s in SEEDS for c in configurations() if c.task in TASKS):
        if (options.out / "results" / f"{config.run_name(seed)}.npz").exists():
            continue
        begun = time.process_time()
        corpus = corpora.setdefault(config.task, CORPORA[config.task](VALIDATION))
        path = run(config, seed, corpus, options.out)
        print(f"{path.stem}: {time.process_time() - begun:.0f} s of a core", flush=True)


if __name__ == "__main__":
    main()
