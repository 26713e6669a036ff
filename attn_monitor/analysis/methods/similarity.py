"""Do two sets of vectors, over the same tokens, tell the tokens apart in the same way?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def linear_cka(first: Float[np.ndarray, "token a"], second: Float[np.ndarray, "token b"]) -> float:
    """Return linear centred kernel alignment, 0 (nothing in common) to 1 (equal up to rotation).

    ``||X'Y||^2 / (||X'X|| ||Y'Y||)`` on centred columns (Kornblith et al. 2019, equation 4).
    Unchanged by rotation and by a common scale of either set. NaN if one set does not vary.
    """
    x, y = first - first.mean(axis=0), second - second.mean(axis=0)
    sizes = float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    return float(np.linalg.norm(x.T @ y) ** 2 / sizes) if sizes > 0 else float("nan")
