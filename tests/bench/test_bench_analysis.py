"""What the numbers cost, one thread: the budgets per head, and growth with the sentence."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import gudhi
import numpy as np
import pytest
from sample_maps import random_attention
from threadpoolctl import threadpool_limits

from attn_monitor.analysis import compute_metrics
from attn_monitor.analysis.metrics import registry
from attn_monitor.analysis.topology.components import merge_heights
from attn_monitor.analysis.topology.graph import attention_graph
from attn_monitor.analysis.topology.loops import CUT, loop_bars
from attn_monitor.core.maps import Maps

pytestmark = pytest.mark.bench
ROUNDS = 15


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


def milliseconds(function):
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def alternating(*functions, rounds=ROUNDS):
    """Return the median milliseconds of each, run in turns so that all meet the same weather."""
    times = [[milliseconds(function) for function in functions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def layer(tokens, heads=12, seed=0):
    attn = random_attention(seed, heads, tokens, tokens).astype(np.float32)
    return Maps(attn=attn, special=(0, tokens - 1))


def test_components_of_128_tokens_take_at_most_half_a_millisecond_per_head(capsys):
    graphs = attention_graph(layer(128).attn)
    together, alone = alternating(
        lambda: merge_heights(graphs), lambda: [merge_heights(graph) for graph in graphs]
    )
    with capsys.disabled():
        print(
            f"\nH0, T = 128: {together / 12:.3f} ms per head of a layer, {alone / 12:.3f} ms alone"
        )
    assert together / 12 <= 0.5
    assert alone / 12 <= 0.5


@pytest.mark.parametrize("tokens", [64, 128])
def test_loops_take_at_most_half_as_long_again_as_a_bare_gudhi_call(capsys, tokens):
    graphs = attention_graph(layer(tokens).attn)

    def bare():
        for graph in graphs:
            distance = 1 - graph.astype(float)
            np.fill_diagonal(distance, 0)
            rips = gudhi.RipsComplex(distance_matrix=distance, max_edge_length=CUT)
            tree = rips.create_simplex_tree(max_dimension=2)
            tree.compute_persistence()
            tree.persistence_intervals_in_dimension(1)

    ours, theirs = alternating(lambda: [loop_bars(graph) for graph in graphs], bare)
    with capsys.disabled():
        print(
            f"\nH1, T = {tokens}, cut {CUT}: {ours / 12:.3f} ms per head, "
            f"{ours / theirs:.2f} x a bare gudhi call ({theirs / 12:.3f} ms)"
        )
    assert ours / theirs <= 1.5


def test_all_default_metrics_of_a_step_take_at_most_a_second(capsys):
    layers = [layer(64, seed=seed) for seed in range(6)]

    def step():
        for _ in range(32):
            for maps in layers:
                compute_metrics(maps)

    (took,) = alternating(step, rounds=3)
    with capsys.disabled():
        number = len(registry.metric_specs())
        print(f"\nall {number} metrics, 6 x 12 heads, 32 probes, T = 64: {took:.0f} ms")
    assert took <= 1000


def test_no_default_metric_grows_faster_than_the_square_of_the_sentence(capsys):
    short, long = layer(128), layer(512)
    allowed = 16 * np.log(512) / np.log(128) * 1.5  # half as much again: 512 leaves the cache
    entries = {entry.spec.name: entry.function for entry in registry._entries.values()}
    entries["all together"] = compute_metrics
    lines, worst = [], 0.0
    for name, function in entries.items():
        before, after = alternating(
            lambda f=function: f(short), lambda f=function: f(long), rounds=9
        )
        lines.append(f"{name:>16} {before:7.2f} ms {after:8.2f} ms  x {after / before:.1f}")
        worst = max(worst, after / before if after > 1 else 0.0)
    with capsys.disabled():
        print("\n12 heads           T = 128     T = 512  (T^2 log T: x 20.6)\n" + "\n".join(lines))
    assert worst <= allowed


def test_importing_the_analysis_takes_less_than_half_a_second_more_than_numpy(capsys):
    def imported(module):
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    plain, ours = alternating(
        lambda: imported("numpy"), lambda: imported("attn_monitor.analysis"), rounds=5
    )
    with capsys.disabled():
        print(f"\nimport attn_monitor.analysis: {ours - plain:.0f} ms on top of numpy")
    assert ours - plain <= 500
