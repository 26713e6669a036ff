"""How close a head is to an ideal one: itself, previous, next, first token, special tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from attn_monitor.core.maps import Maps


def template_distances(maps: Maps) -> Mapping[str, Float[np.ndarray, " head"]]:
    """Return the distance of every head to each template, 0 (equal) to 1 (nothing in common).

    ``||A - E|| / sqrt(||A||^2 + ||E||^2)``, Frobenius norms (Kushnareva et al. 2021, section 4).
    Templates: ``self``, ``prev``, ``next``, ``first`` and, where there are special tokens,
    ``special``. For cross-attention only the last two exist.
    """
    return {name: template_distance(maps.attn, ideal) for name, ideal in _templates(maps).items()}


def template_distance(
    attn: Float[np.ndarray, "head query key"], template: Float[np.ndarray, "query key"]
) -> Float[np.ndarray, " head"]:
    """Return the distance of every head to one given pattern, 0 to 1 for weights above 0."""
    apart = np.linalg.norm(attn - template, axis=(1, 2))
    both = np.hypot(np.linalg.norm(attn, axis=(1, 2)), np.linalg.norm(template))
    return np.asarray(apart / both)


def _templates(maps: Maps) -> dict[str, Float[np.ndarray, "query key"]]:
    found: dict[str, Float[np.ndarray, "query key"]] = {}
    if not maps.cross:
        for name, step in (("self", 0), ("prev", -1), ("next", 1)):
            found[name] = np.eye(maps.queries, maps.keys, step)
    first = np.zeros((maps.queries, maps.keys))
    first[:, 0] = 1
    found["first"] = first
    if maps.special:
        special = np.zeros((maps.queries, maps.keys))
        special[:, list(maps.special)] = 1 / len(maps.special)
        found["special"] = special
    return found
