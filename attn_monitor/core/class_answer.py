"""What a classifier decides between, and what every token adds to each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

ContributionMethod = Literal["linear_mean", "linear_first", "linear_last", "gradient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassLayer:
    """The classes of a model that gives one answer per sentence.

    Attributes:
        names: One per class, numbered where the model does not name them.
        method: How contributions were obtained when the recording began; a training may change it,
            so every :class:`ClassAnswer` names its own. ``linear_mean``, ``linear_first`` and
            ``linear_last``: exactly, since the classes are a linear function of the mean, the
            first or the last token's hidden state. ``gradient``: gradient times hidden state, the
            first-order effect of leaving the token's state away.
    """

    names: tuple[str, ...]
    method: ContributionMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAnswer:
    """A model's answer to one sentence.

    Attributes:
        scores: One per class: what the model returned (before or after a softmax).
        contributions: What every token's last hidden state adds to each class score, in the units
            of a linear head's score. Where the method is exact they sum to that score less the
            head's bias.
        method: How they were obtained at this step, see :class:`ClassLayer`; ``None`` in
            recordings that only say it once for all steps.
    """

    scores: Float[np.ndarray, " class"]
    contributions: Float[np.ndarray, "token class"]
    method: ContributionMethod | None = None
