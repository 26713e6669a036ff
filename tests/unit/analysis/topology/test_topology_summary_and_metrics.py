import numpy as np
import pytest

from attn_monitor.analysis import metric_specs, registered_metrics
from attn_monitor.analysis.topology import (
    TOPOLOGY_METRICS,
    NotComputed,
    Topology,
    head_topology,
)
from attn_monitor.analysis.topology.bars import bar_statistics
from attn_monitor.analysis.topology.components import component_bars
from attn_monitor.analysis.topology.graph import attention_graph
from attn_monitor.analysis.topology.loops import loop_bars
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.maps import Maps

NAMES = ["h0_life", "h0_evenness", "h1_count", "h1_life", "h1_midlife"]


def attention(heads, queries, keys, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(keys, 0.3), size=(heads, queries))


def test_a_short_sentence_is_described_completely():
    found = head_topology(attention(1, 10, 10)[0])
    assert isinstance(found, Topology)
    assert found.curves.components[0] >= 1
    assert found.components.tokens == 10
    assert not isinstance(found.cliques, NotComputed)
    assert not isinstance(found.betti, NotComputed)


def test_a_long_sentence_says_what_was_left_out():
    found = head_topology(attention(1, 40, 40)[0])
    assert isinstance(found, Topology)
    for part in (found.cavities, found.cliques, found.betti):
        assert isinstance(part, NotComputed)


def test_encoder_decoder_attention_has_no_graph_of_tokens():
    found = head_topology(attention(1, 3, 5)[0])
    assert isinstance(found, NotComputed)
    assert "3 queries and 5 keys are different tokens" in found.reason


def test_topology_follows_the_registered_metrics_and_registers_nothing():
    before = metric_specs()
    both = registered_metrics() + TOPOLOGY_METRICS
    assert [spec.name for spec in both.specs[len(before) :]] == NAMES
    assert both.specs[: len(before)] == before
    assert metric_specs() == before


def test_a_set_added_twice_is_refused():
    with pytest.raises(
        ConfigurationError, match="can hold one metric named 'h0_life', got 2; give yours another"
    ):
        TOPOLOGY_METRICS + TOPOLOGY_METRICS


def test_the_metrics_are_the_statistics_of_the_bars():
    maps = Maps(attn=attention(3, 9, 9))
    table = TOPOLOGY_METRICS.compute(maps)
    for attn, row in zip(maps.attn, table, strict=True):
        graph = attention_graph(attn)
        components = bar_statistics(component_bars(graph))
        loops = bar_statistics(loop_bars(graph))
        expected = [
            components.life,
            components.evenness,
            loops.count,
            loops.life,
            loops.midlife,
        ]
        np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_metrics_are_undefined_never_zero_where_there_is_no_graph():
    cross = Maps(attn=attention(2, 4, 4), cross=True)
    single = Maps(attn=np.ones((1, 1, 1)))
    assert np.isnan(TOPOLOGY_METRICS.compute(cross)).all()
    assert np.isnan(TOPOLOGY_METRICS.compute(single)).all()


def test_a_uniform_head_has_its_reference_life():
    reference = TOPOLOGY_METRICS.uniform(Maps(attn=attention(2, 8, 8)))
    np.testing.assert_allclose(reference[:3], [7 / 8, 1, 0], rtol=1e-6)
    assert np.isnan(reference[3:]).all()


def test_a_head_that_diverged_has_no_topology_and_leaves_its_neighbours_alone():
    attn = attention(3, 9, 9)
    clean = TOPOLOGY_METRICS.compute(Maps(attn=attn))
    attn[1, 0, 0] = np.nan
    attn[1, 3] = np.nan
    table = TOPOLOGY_METRICS.compute(Maps(attn=attn))
    assert np.isnan(table[1]).all()
    np.testing.assert_array_equal(table[[0, 2]], clean[[0, 2]])
    found = head_topology(attn[1])
    assert isinstance(found, NotComputed)
    assert found.reason.startswith("topology not computed: weights are not finite")


def test_two_equal_bars_are_perfectly_even():
    bars = component_bars(np.array([[0, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0]]))
    assert bar_statistics(bars).count == 2
    assert bar_statistics(bars).evenness == pytest.approx(1.0)
