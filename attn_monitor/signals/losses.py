"""The logged losses: the lowest validation loss, and a rise of the smoothed loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from attn_monitor.signals.findings import Losses

RISE = 0.03
WATCHED, WATCHED_MODE = "watched_metric", "watched_mode"  # options of a recording
_VAL = ("val_loss", "valid_loss", "validation_loss", "val/loss", "eval_loss", "val_loss_epoch")
_TRAIN = ("train_loss_epoch", "train_loss", "train/loss", "loss", "train_loss_step")
_SMALLEST_SERIES = 3


def read_losses(
    steps: Sequence[int], epochs: Sequence[int], scalars: Sequence[Mapping[str, float]]
) -> Losses:
    """Find the losses among the logged scalars and date their minimum.

    Args:
        steps: Recorded steps.
        epochs: Their epochs.
        scalars: What was logged at each.
    """
    val_name, train_name = _name(scalars, _VAL, "val"), _name(scalars, _TRAIN, "train")
    val, train = _series(scalars, val_name), _series(scalars, train_name)
    smooth = smoothed(val)
    _, rise = turning_points(smooth)
    best = lowest(val)
    return Losses(
        train_name=train_name,
        val_name=val_name,
        train=train,
        val=val,
        smooth=smooth,
        best_step=None if best is None else steps[best],
        rise_step=None if rise is None else steps[rise],
        sentence=_sentence(epochs, val, smooth, rise),
    )


def best_step(
    steps: Sequence[int],
    scalars: Sequence[Mapping[str, float]],
    options: Mapping[str, object] | None = None,
) -> tuple[int | None, str | None]:
    """Return the step that was best, and by which number.

    That is the number which the training's own checkpoints or early stopping watch, highest or
    lowest, where one is watched and was logged; else the lowest validation loss, under any usual
    name. The mark on the slider, the verdicts and ``importance="best"`` use it. Both are ``None``
    where neither was logged.

    Args:
        steps: Recorded steps.
        scalars: What was logged at each.
        options: Those of the recording, which say what is watched.
    """
    name, highest = watched(scalars, options or {})
    values = _series(scalars, name)
    at = lowest(-values if highest else values)
    return (None, None) if at is None else (steps[at], name)


def watched(
    scalars: Sequence[Mapping[str, float]], options: Mapping[str, object]
) -> tuple[str | None, bool]:
    """Return by which of the logged numbers steps are judged, and whether the highest is best."""
    name = options.get(WATCHED)
    if isinstance(name, str) and any(name in step for step in scalars):
        return name, options.get(WATCHED_MODE) == "max"
    return _name(scalars, _VAL, "val"), False


def lowest(values: Float[np.ndarray, " step"]) -> int | None:
    """Return the index of the first lowest finite value; ``None`` where there is none."""
    finite = np.isfinite(values)
    return int(np.argmin(np.where(finite, values, np.inf))) if finite.any() else None


def smoothed(values: Float[np.ndarray, " step"]) -> Float[np.ndarray, " step"]:
    """Return the average of each defined value and its defined neighbours, weights 1/4, 1/2, 1/4.

    At either end the missing neighbour's weight goes to the others.
    """
    smooth = np.full(len(values), np.nan)
    where = np.flatnonzero(np.isfinite(values))
    known = values[where]
    if len(known) == 0:
        return smooth
    weights = np.full(len(known), 0.5)
    total = 0.5 * known
    total[1:] += 0.25 * known[:-1]
    weights[1:] += 0.25
    total[:-1] += 0.25 * known[1:]
    weights[:-1] += 0.25
    smooth[where] = total / weights
    return smooth


def turning_points(smooth: Float[np.ndarray, " step"]) -> tuple[int | None, int | None]:
    """Return the index of the minimum and the index from which it stays more than 3 % above it.

    Both are ``None`` with fewer than 3 losses; the second also where the loss does not end there.
    """
    if np.isfinite(smooth).sum() < _SMALLEST_SERIES:
        return None, None
    best = int(np.nanargmin(smooth))
    line = smooth[best] + RISE * abs(smooth[best])
    where = [at for at in np.flatnonzero(np.isfinite(smooth)) if at > best]
    rise = None
    for at in reversed(where):
        if smooth[at] <= line:
            break
        rise = int(at)
    return best, rise


def _name(
    scalars: Sequence[Mapping[str, float]], preferred: Sequence[str], word: str
) -> str | None:
    logged = {name for step in scalars for name in step}
    for name in preferred:
        if name in logged:
            return name
    return min((n for n in logged if word in n.lower() and "loss" in n.lower()), default=None)


def _series(scalars: Sequence[Mapping[str, float]], name: str | None) -> Float[np.ndarray, " step"]:
    if name is None:
        return np.full(len(scalars), np.nan)
    return np.array([step.get(name, np.nan) for step in scalars], dtype=np.float64)


def _sentence(
    epochs: Sequence[int],
    val: Float[np.ndarray, " step"],
    smooth: Float[np.ndarray, " step"],
    rise: int | None,
) -> str:
    at = lowest(val)
    if at is None:
        return "No validation loss was logged: nothing can be dated by it."
    found = f"Validation loss was lowest at epoch {epochs[at]} ({val[at]:.3g})."
    known = smooth[np.isfinite(smooth)]
    if len(known) < _SMALLEST_SERIES:
        return f"{found} Fewer than 3 were logged: a rise cannot be dated."
    low, last = float(known.min()), float(known[-1])
    if rise is None:
        return f"{found} Smoothed, it has not stayed more than 3 % above its minimum."
    above = (last - low) / abs(low) if low else float("inf")
    return (
        f"{found} Since epoch {epochs[rise]} the smoothed loss has stayed more than 3 % above its "
        f"minimum; now {above:.0%}."
    )
