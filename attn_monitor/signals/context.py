"""What attention does, for context: separation of the probe sets, topology, drift, stability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Float

from attn_monitor.core.arrays import evenly_spread
from attn_monitor.signals import trust
from attn_monitor.signals.drift import drift_since
from attn_monitor.signals.findings import Band, Curve, HeadCurves, Signal
from attn_monitor.signals.recording import Recording
from attn_monitor.signals.separation import Separation, separate
from attn_monitor.signals.stability import (
    GROWN,
    entropy_collapse,
    logit_growth,
    logit_peak,
)

TOPOLOGY: Final = ("h0_life", "h0_evenness", "h1_count", "h1_life", "h1_midlife")
MOST_STEPS: Final = 40  # more are sampled evenly: each costs some ten milliseconds
_HEAD_Z: Final = 1.96


def separation_signals(run: Recording, part: str) -> tuple[Signal, ...]:
    """Return how far apart training and validation probes are in one part's attention.

    One signal for the attention metrics, and one for topology where it was recorded.
    """
    steps = run.steps
    at = np.array(evenly_spread(len(steps), MOST_STEPS))
    chosen = [steps[i] for i in at]
    val = run.probe_metrics(part=part, split="val", steps=chosen)
    train = run.probe_metrics(part=part, split="train", steps=chosen)
    names = [spec.name for spec in run.metrics]
    groups = {
        "separation": [i for i, name in enumerate(names) if name not in TOPOLOGY],
        "topology_separation": [i for i, name in enumerate(names) if name in TOPOLOGY],
    }
    return tuple(
        _separation(run, f"{name}/{part}", at=at, val=val[..., columns], train=train[..., columns])
        for name, columns in groups.items()
        if columns
    )


def drift_signal(run: Recording, part: str, metrics: np.ndarray, best: int) -> Signal:
    """Return how far a part's attention has moved since the best validation loss.

    Args:
        run: The recording.
        part: Name of the part.
        metrics: Its metrics ``[step, layer, head, metric]``, means over validation probes.
        best: Index of the step with the lowest validation loss.
    """
    mean, heads = drift_since(metrics, run.metrics, best)
    epoch = run.epochs[best]
    return Signal(
        name=f"drift/{part}",
        title=f"Drift since epoch {epoch}, {part}",
        unit="share of each metric's range",
        kind="descriptive",
        panel="context",
        curves=(Curve(name="drift", title="mean over heads", values=mean),),
        heads=(HeadCurves(part=part, title="drift", values=heads),),
        value=float(mean[-1]),
        sentence=(
            f"Attention metrics differ by {mean[-1]:.2g} of their range from epoch {epoch}, the "
            "lowest smoothed validation loss; mean over heads."
        ),
        trust=trust.DRIFT,
    )


def stability_signals(run: Recording, part: str, metrics: np.ndarray) -> tuple[Signal, ...]:
    """Return the two stability alarms of a part: collapse of row entropy, growth of scores."""
    names = [spec.name for spec in run.metrics]
    logits = metrics[..., names.index("logit_max")] if "logit_max" in names else None
    found: list[Signal] = []
    if "row_entropy" in names:
        found.append(_collapse(run, part, metrics[..., names.index("row_entropy")], logits))
    if logits is not None and np.isfinite(logits).any():
        found.append(_growth(run, part, logits))
    return tuple(found)


def _separation(
    run: Recording,
    name: str,
    *,
    at: np.ndarray,
    val: Float[np.ndarray, "step val_probe layer head metric"],
    train: Float[np.ndarray, "step train_probe layer head metric"],
) -> Signal:
    # The first recorded step has no change yet; its own numbers say how the sets differed before.
    measured = [
        separate(val[i] - (val[0] if i else 0), train[i] - (train[0] if i else 0))
        for i in range(len(at))
    ]
    last = measured[-1]

    def curve(values: Sequence[float]) -> Float[np.ndarray, " step"]:
        whole = np.full(len(run.steps), np.nan)
        whole[at] = values
        return whole

    heads = np.full((len(run.steps), *last.heads.shape), np.nan)
    heads[at] = [one.heads for one in measured]
    topology, part = name.startswith("topology"), name.partition("/")[2]
    return Signal(
        name=name,
        title=f"{'Topology' if topology else 'Attention'}, training against validation, {part}",
        unit="mean |Welch t|",
        kind="descriptive",
        panel="context",
        curves=(
            Curve(
                name="separation",
                title="mean over heads and metrics",
                values=curve([one.statistic for one in measured]),
            ),
        ),
        band=Band(
            curve="separation",
            low=curve([one.low for one in measured]),
            high=curve([one.high for one in measured]),
        ),
        heads=(HeadCurves(part=part, title="z", values=heads, high=_HEAD_Z),),
        p_values=curve([one.p for one in measured]),
        value=last.statistic,
        p=last.p,
        n_val=val.shape[1],
        n_train=train.shape[1],
        sentence=_separation_sentence(last, measured[0], topology=topology),
        trust=trust.TOPOLOGY if topology else trust.SEPARATION,
    )


def _separation_sentence(last: Separation, first: Separation, *, topology: bool) -> str:
    what = "Topology" if topology else "Attention"
    place = "inside" if last.low <= last.statistic <= last.high else "outside"
    text = (
        f"{what} of training and of validation probes differs by {last.statistic:.2g}, {place} "
        f"the band {last.low:.2g} to {last.high:.2g} of shuffled sets (p = {last.p:.2g})."
    )
    if first.p < 0.01:  # noqa: PLR2004  # the rate at which chance alone may say this
        text += " It did so before any change: the sentences themselves differ."
    return text


def _collapse(
    run: Recording, part: str, row_entropy: np.ndarray, logits: np.ndarray | None
) -> Signal:
    collapse = entropy_collapse(row_entropy, logits)
    at = collapse.at
    if at is None:
        sentence = f"The median head's row entropy is {collapse.median[-1]:.2g}: no collapse."
    else:
        sentence = (
            f"The median head's row entropy fell to {collapse.median[at]:.2g} at epoch "
            f"{run.epochs[at]}: attention has collapsed onto single words."
        )
    return Signal(
        name=f"entropy_collapse/{part}",
        title=f"Row entropy, {part}",
        unit="share of ln(visible keys)",
        kind="alarm",
        panel="stability",
        curves=(
            Curve(name="median", title="median head", values=collapse.median),
            Curve(name="lowest", title="lowest head", values=collapse.lowest),
        ),
        fired=None if at is None else run.steps[at],
        value=float(collapse.median[-1]),
        sentence=sentence,
        trust=trust.STABILITY,
    )


def _growth(run: Recording, part: str, logits: np.ndarray) -> Signal:
    peak = logit_peak(logits)
    at = logit_growth(peak)
    size = f"The largest attention score is {peak[-1]:.3g}"
    return Signal(
        name=f"logit_growth/{part}",
        title=f"Largest score, {part}",
        unit="before softmax",
        kind="alarm",
        panel="stability",
        curves=(Curve(name="peak", title="largest head", values=peak),),
        threshold=GROWN,
        fired=None if at is None else run.steps[at],
        value=float(peak[-1]),
        sentence=f"{size}." if at is None else f"{size}; it passed {GROWN:g}.",
        trust=trust.STABILITY,
    )
