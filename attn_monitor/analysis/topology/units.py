"""The functional graph of Corneanu et al.: units that fire together, not tokens that attend."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attn_monitor.analysis.topology.outcome import NotComputed

UNIT_CAP = 64


def unit_graph(
    activations: Float[np.ndarray, "sample unit"], *, cap: int = UNIT_CAP
) -> Float[np.ndarray, "unit unit"] | NotComputed:
    """Return how strongly units correlate over a data set: |Pearson|, 0 to 1, diagonal 0.

    Units are for example the outputs of a layer's heads, samples the tokens of the probes; the
    graph goes into the same functions as an attention graph. A unit that never changes is linked
    with nobody (Corneanu et al. 2019, section 3; 2020, section 3.1).
    """
    samples, units = activations.shape
    if units > cap:
        return NotComputed(
            reason=f"unit graph not computed: {units} units are more than the limit of {cap}; "
            "choose fewer heads or average their outputs"
        )
    if samples < 2:  # noqa: PLR2004  # a correlation needs two points
        return NotComputed(reason=f"unit graph not computed: {samples} sample, wanted at least 2")
    centred = activations - activations.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    # What is left of a constant unit after centring is rounding, and must not correlate.
    alive = length > 1e-12 * np.sqrt(samples) * np.abs(activations).max(axis=0)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=alive)
    graph = np.minimum(np.abs(unit.T @ unit), 1.0)
    np.fill_diagonal(graph, 0)
    return np.asarray(graph)
