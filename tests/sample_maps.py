"""Attention maps that the analysis tests share: the hand-checked ones, and random ones."""

import random
from contextlib import contextmanager

import numpy as np
from hypothesis import strategies as st

from attn_monitor.core.maps import Maps

A = np.array([[0.5, 0.25, 0.25], [0, 1, 0], [0.2, 0.2, 0.6]])
B = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]])
CAUSAL = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [1 / 3, 1 / 3, 1 / 3, 0], [0.7, 0.1, 0.1, 0.1]])


def one_head(attn, **facts):
    """Wrap a single matrix."""
    return Maps(attn=np.asarray(attn, dtype=float)[None], **facts)


def one_hot_rows(choices, keys):
    """Return the map whose query i looks at key choices[i] only."""
    return np.eye(keys)[np.asarray(choices)]


def random_attention(seed, *shape, sharpness=2.0, causal=False):
    """Return random rows that sum to 1, of shape (..., query, key)."""
    scores = sharpness * np.random.default_rng(seed).normal(size=shape)
    if causal:
        scores = np.where(np.tri(shape[-2], shape[-1], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


@st.composite
def layers(draw, max_heads=4, max_tokens=7, cross=None, causal=None):
    """Draw the maps of one layer: self-attention with or without a causal mask, or cross."""
    is_cross = draw(st.booleans()) if cross is None else cross
    is_causal = (draw(st.booleans()) if causal is None else causal) and not is_cross
    keys = draw(st.integers(2, max_tokens))
    queries = draw(st.integers(1, max_tokens)) if is_cross else keys
    attn = random_attention(
        draw(st.integers(0, 2**32 - 1)),
        draw(st.integers(1, max_heads)),
        queries,
        keys,
        sharpness=draw(st.sampled_from([0.0, 0.5, 2.0, 20.0])),
        causal=is_causal,
    )
    special = tuple(draw(st.sets(st.integers(0, keys - 1))))
    with same_random_state():
        return Maps(attn=attn, causal=is_causal, cross=is_cross, special=special)


@contextmanager
def same_random_state():
    """Undo beartype's draws from `random`: hypothesis refuses strategies that use it."""
    state = random.getstate()
    yield
    random.setstate(state)
