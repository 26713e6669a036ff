"""Maps read a few rows at a time give the numbers of whole maps, and coarse maps of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_maps import layers

from attn_monitor.analysis import compute_metrics, registered_metrics
from attn_monitor.analysis.coarse import coarse_maps
from attn_monitor.analysis.metrics.tally import tally
from attn_monitor.core import maps as maps_module
from attn_monitor.core.maps import Maps, MapsByRows


def by_rows(maps, log=None):
    def rows(first, end):
        if log is not None:
            log.append(end - first)
        return maps.attn[:, first:end]

    return MapsByRows(
        shape=maps.attn.shape,
        rows=rows,
        causal=maps.causal,
        cross=maps.cross,
        special=maps.special,
        logit_max=maps.logit_max,
        key_tokens=maps.key_tokens,
    )


@given(layers(), st.integers(1, 200))
def test_metrics_do_not_depend_on_how_many_rows_are_read_at_a_time(maps, block):
    whole = compute_metrics(maps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps_module, "BLOCK_WEIGHTS", block)
        np.testing.assert_allclose(compute_metrics(by_rows(maps)), whole, atol=1e-6)


@given(st.lists(layers(), min_size=2, max_size=4), st.data())
def test_maps_computed_together_get_the_numbers_of_each_alone(found, data):
    # Drawn with repetition and as rows, so that some are alike, some are not and some cannot wait.
    group = data.draw(st.lists(st.sampled_from(found), min_size=2, max_size=6))
    group = [maps if data.draw(st.booleans()) else by_rows(maps) for maps in group]
    tables = registered_metrics().compute_each(group)
    for maps, table in zip(group, tables, strict=True):
        np.testing.assert_allclose(table, compute_metrics(maps), atol=1e-6)


def test_metrics_that_look_beyond_one_head_are_not_mixed_up_between_sentences():
    rng = np.random.default_rng(0)
    group = [
        Maps(
            attn=rng.dirichlet(np.ones(4), size=(2, 4)),
            causal=True,  # as told; only so induction is defined
            special=(at,),
            logit_max=np.array([at, at + 0.5]),
            key_tokens=tuple("abab" if at % 2 else "abba"),
        )
        for at in range(3)
    ]
    tables = registered_metrics().compute_each(group)
    for maps, table in zip(group, tables, strict=True):
        np.testing.assert_allclose(table, compute_metrics(maps), atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, 3e38, 1e-45])
def test_odd_weights_get_the_same_numbers_together_and_alone_and_no_warning(odd):
    attn = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 2, 4)).astype(np.float32)
    attn[:, 1, 1, 2] = odd
    group = [Maps(attn=each) for each in attn]
    tables = registered_metrics().compute_each(group)
    assert np.isfinite(tables[0][0]).any()
    for maps, table in zip(group, tables, strict=True):
        np.testing.assert_allclose(table, compute_metrics(maps), rtol=1e-4, atol=1e-6)


def test_default_metrics_never_ask_for_more_rows_than_a_block(monkeypatch):
    monkeypatch.setattr(maps_module, "BLOCK_WEIGHTS", 2 * 3 * 11)
    rng = np.random.default_rng(0)
    attn = np.tril(rng.random((2, 11, 11))) + np.eye(11)
    tokens = tuple("abcabcabcab")
    maps = Maps(attn=attn / attn.sum(-1, keepdims=True), causal=True, key_tokens=tokens)
    asked = []
    compute_metrics(by_rows(maps, asked))
    coarse_maps(by_rows(maps, asked), cells=4)
    assert max(asked) == 3
    assert sum(asked) == 3 * 11  # once for the tally, once for induction, once for coarse maps


def test_the_tally_is_what_a_slow_loop_counts():
    rng = np.random.default_rng(1)
    attn = rng.dirichlet(np.ones(5), size=(2, 4))
    found = tally(Maps(attn=attn))
    for head in range(2):
        rows = [attn[head, i] for i in range(4)]
        np.testing.assert_allclose(found.nats[head], [-(r * np.log(r)).sum() for r in rows])
        np.testing.assert_allclose(found.top[head], [max(r) for r in rows])
        np.testing.assert_allclose(found.squares[head], [sum(w * w for w in r) for r in rows])
        before = np.mean([sum(r[j] for j in range(5) if j < i) for i, r in enumerate(rows)])
        far = np.mean(
            [sum(r[j] * abs(j / 4 - i / 3) for j in range(5)) for i, r in enumerate(rows)]
        )
        np.testing.assert_allclose(found.positions[head, [0, 4]], [before, far])
        np.testing.assert_allclose(
            found.previous[head], np.mean([rows[i][i - 1] for i in (1, 2, 3)])
        )
        np.testing.assert_allclose(
            found.following[head], np.mean([rows[i][i + 1] for i in range(4)])
        )
    blend = attn.mean(axis=0)
    np.testing.assert_allclose(found.blend_nats, -(blend * np.log(blend)).sum(axis=-1))


def test_even_attention_of_a_long_sentence_never_exists_as_a_map():
    even = Maps(attn=np.zeros((1, 6, 6)), causal=True).uniform()
    assert isinstance(even, MapsByRows)
    expected = np.tril(np.ones((6, 6))) / np.arange(1, 7)[:, None]
    np.testing.assert_array_equal(even.attn[0], expected)
    np.testing.assert_array_equal(even.rows(2, 4)[0], expected[2:4])


def test_a_metric_that_reads_whole_maps_still_gets_them():
    maps = Maps(attn=np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 3)))
    np.testing.assert_array_equal(by_rows(maps).attn, maps.attn)
    held = by_rows(maps).held()
    np.testing.assert_array_equal(held.attn, maps.attn)
    assert held.attn.base is None


@pytest.mark.parametrize("block", [50, 1 << 18])
def test_coarse_maps_of_even_stretches_are_the_pooled_maps(monkeypatch, block):
    monkeypatch.setattr(maps_module, "BLOCK_WEIGHTS", block)
    attn = np.random.default_rng(0).dirichlet(np.ones(48), size=(3, 48)).astype(np.float32)
    pooled = attn.reshape(3, 16, 3, 16, 3).sum(axis=4).mean(axis=2)
    coarse = coarse_maps(by_rows(Maps(attn=attn)), cells=16)
    np.testing.assert_allclose(coarse, pooled, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20))
def test_rows_of_coarse_maps_sum_to_one_whatever_the_lengths(queries, keys, cells):
    attn = np.random.default_rng(0).dirichlet(np.ones(keys), size=(2, queries))
    coarse = coarse_maps(Maps(attn=attn), cells=cells)
    assert max(coarse.shape[1:]) <= cells
    length = -(-max(queries, keys) // cells)
    assert coarse.shape == (2, -(-queries // length), -(-keys // length))
    np.testing.assert_allclose(coarse.sum(axis=-1), 1.0, atol=1e-6)


def test_a_short_sentence_keeps_a_cell_per_token():
    attn = np.random.default_rng(0).dirichlet(np.ones(5), size=(2, 5)).astype(np.float32)
    np.testing.assert_allclose(coarse_maps(Maps(attn=attn), cells=64), attn, atol=1e-7)
