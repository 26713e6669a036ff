"""What a run can be said to show: curves, what they may be read as, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from attn_monitor.core.mask_audit import MaskAudit
from attn_monitor.signals.growth import Forecast

Kind = Literal["flag", "support", "descriptive", "alarm", "warning", "leak", "growth"]
Panel = Literal["outputs", "context", "stability", "probes", "mask", "growth"]
State = Literal["fired", "quiet", "unreliable", "no_train_probes", "not_recorded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line: a value at every recorded step, NaN where there is none.

    Attributes:
        name: ``"val"``, ``"train"``, ``"gap"`` or what else is drawn.
        title: Name on screen.
        values: One per recorded step.
        low: Lower edge of its 95 % interval over sentences; ``None`` where none is drawn.
        high: Upper edge.
    """

    name: str
    title: str
    values: Float[np.ndarray, " step"]
    low: Float[np.ndarray, " step"] | None = None
    high: Float[np.ndarray, " step"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where 95 % of the values lie if it does not matter which set a probe came from.

    Attributes:
        curve: Name of the curve it belongs to.
        low: Lower edge per step.
        high: Upper edge per step.
    """

    curve: str
    low: Float[np.ndarray, " step"]
    high: Float[np.ndarray, " step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadCurves:
    """One number per head of a part at every recorded step; NaN where a layer lacks the head.

    Attributes:
        part: Name of the part.
        title: What the number is.
        values: The numbers.
        high: Above this, at most 1 in 20 heads would lie by chance; ``None`` without such a line.
    """

    part: str
    title: str
    values: Float[np.ndarray, "step layer head"]
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing that was looked at.

    Attributes:
        name: Identifier in URLs, tags and callbacks, for example ``"output_entropy_gap"``.
        title: Name on screen.
        unit: Unit of the curves.
        kind: ``"flag"`` says memorisation is likely; ``"support"`` is measured the same way and
            raises nothing alone; ``"descriptive"`` never fires; ``"alarm"`` is about stability of
            training, not about overfitting; ``"warning"`` says that a comparison is unreliable;
            ``"leak"``: an output depends on a token that it must not read; ``"growth"``: scores on
            training batches grow towards a limit.
        panel: Where it is drawn.
        curves: Its lines.
        band: The permutation band of one of them.
        heads: The same per head, one entry per part.
        p_values: Permutation p-value per step; ``None`` where nothing was tested.
        threshold: Value at which the rule begins to count; ``None`` if it is not on the curve.
        fired: The step at which the rule was first met, a recorded one except for ``"growth"``;
            ``None`` if it was not.
        suppressed: Why a rule that was met is not shown as fired; empty otherwise.
        value: The main curve's last value.
        p: The p-value at that step; NaN where nothing was tested.
        n_val: Validation probes compared.
        n_train: Training probes compared.
        sentence: What was seen, with its figures.
        trust: How far to trust it, with the figures behind that.
    """

    name: str
    title: str
    unit: str
    kind: Kind
    panel: Panel
    curves: tuple[Curve, ...]
    sentence: str
    trust: str
    band: Band | None = None
    heads: tuple[HeadCurves, ...] = ()
    p_values: Float[np.ndarray, " step"] | None = None
    threshold: float | None = None
    fired: int | None = None
    suppressed: str = ""
    value: float = float("nan")
    p: float = float("nan")
    n_val: int = 0
    n_train: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The logged losses and what they say with hindsight.

    Attributes:
        train_name: Name of the training loss among the scalars, ``None`` if there is none.
        val_name: Name of the validation loss.
        train: Training loss per recorded step, NaN where it was not logged.
        val: Validation loss per recorded step.
        smooth: Validation loss averaged over its neighbours with weights 1/4, 1/2, 1/4.
        best_step: Step of the lowest validation loss; ``None`` without validation losses.
        rise_step: First step after it from which the smoothed loss stays more than 3 % above the
            minimum; ``None`` if it does not.
        sentence: The same in words.
    """

    train_name: str | None
    val_name: str | None
    train: Float[np.ndarray, " step"]
    val: Float[np.ndarray, " step"]
    smooth: Float[np.ndarray, " step"]
    best_step: int | None
    rise_step: int | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthFinding:
    """How the scores of one part grow on training batches.

    Attributes:
        part: The part.
        head: The head that is shown, as on screen: the one that passes the limit first, or has the
            largest score.
        limit: The score that the forecast is about.
        steps: Of the readings.
        peak: Largest score of any head at each.
        score: Largest score of the head that is shown.
        entropy: Entropy of its rows in nats.
        query: Mean length of its queries.
        key: That of its keys.
        forecast: When the head passes the limit; ``None`` before there are enough readings.
        fired: The step of the reading at which growth was first told; ``None`` if it was not.
        factor: What its scores would be multiplied with to be held at the limit: 1 below it.
        sentence: What was seen, with its figures.
    """

    part: str
    head: str
    limit: float
    steps: Float[np.ndarray, " reading"]
    peak: Float[np.ndarray, " reading"]
    score: Float[np.ndarray, " reading"]
    entropy: Float[np.ndarray, " reading"]
    query: Float[np.ndarray, " reading"]
    key: Float[np.ndarray, " reading"]
    forecast: Forecast | None
    fired: int | None
    factor: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Everything the signals panel shows of one run.

    Attributes:
        steps: Recorded steps.
        epochs: The epoch of each.
        losses: Training and validation loss.
        signals: What was looked at, the flag first.
        state: ``"fired"``: the flag is raised; ``"quiet"``: it is not; ``"unreliable"``: the probe
            sets do not match, so it cannot be; ``"no_train_probes"``: nothing to compare with;
            ``"not_recorded"``: neither class scores nor hidden states were recorded.
        headline: One sentence for that state.
        mask: Whether the mask holds; ``None`` where nobody looked.
        growth: How scores grow on training batches, one per part; empty without ``watch``.
    """

    steps: Int[np.ndarray, " step"]
    epochs: Int[np.ndarray, " step"]
    losses: Losses
    signals: tuple[Signal, ...]
    state: State
    headline: str
    mask: MaskAudit | None = None
    growth: tuple[GrowthFinding, ...] = ()

    def signal(self, name: str) -> Signal | None:
        """Return the signal of that name, ``None`` where this run has none."""
        return next((signal for signal in self.signals if signal.name == name), None)
