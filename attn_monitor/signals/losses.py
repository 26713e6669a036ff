"""The logged losses: the smoothed minimum of the validation loss, and a rise above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from attn_monitor.signals.findings import Losses

RISE = 0.03
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
    best, rise = turning_points(smooth)
    return Losses(
        train_name=train_name,
        val_name=val_name,
        train=train,
        val=val,
        smooth=smooth,
        best_step=None if best is None else steps[best],
        rise_step=None if rise is None else steps[rise],
        sentence=_sentence(epochs, smooth, best, rise),
    )


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
    smooth: Float[np.ndarray, " step"],
    best: int | None,
    rise: int | None,
) -> str:
    if best is None:
        return "Fewer than 3 validation losses were logged: their minimum cannot be dated."
    low = smooth[best]
    found = f"Validation loss, smoothed, was lowest at epoch {epochs[best]} ({low:.3g})."
    last = smooth[np.isfinite(smooth)][-1]
    if rise is None:
        return f"{found} It has not stayed more than 3 % above that."
    above = (last - low) / abs(low) if low else float("inf")
    return f"{found} Since epoch {epochs[rise]} it has stayed more than 3 % above; now {above:.0%}."
