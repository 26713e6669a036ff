import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from sample_maps import layers, one_head, random_attention

from attn_monitor.analysis import (
    compute_metrics,
    metric,
    metric_specs,
    uniform_reference,
)
from attn_monitor.analysis.metrics import registry, shared
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.maps import HeadSizes, Maps

DEFAULT = [
    "row_entropy",
    "col_entropy",
    "left",
    "self",
    "right",
    "lean",
    "offset",
    "distance",
    "prev",
    "next",
    "diagonal",
    "induction",
    "sink",
    "special",
    "outside",
    "confidence",
    "support",
    "head_diversity",
    "logit_max",
    "writes",
    "writes_share",
    "reads",
    "query_norm",
    "key_norm",
    "value_norm",
    "logit_mean",
]
SIZES = frozenset(DEFAULT[DEFAULT.index("writes") :])
UNDEFINED_FOR_CROSS = {"left", "self", "right", "lean", "prev", "next", "induction"}


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def test_the_default_metrics_come_in_the_order_of_the_columns():
    assert [spec.name for spec in metric_specs()] == DEFAULT


def test_every_metric_says_what_it_counts_how_to_read_it_and_where_it_is_from():
    for spec in metric_specs():
        assert all((spec.title, spec.unit, spec.reading, spec.source)), spec.name


@given(layers())
def test_every_value_lies_in_the_range_its_spec_promises(maps):
    table = compute_metrics(maps)
    for column, spec in enumerate(metric_specs()):
        values = table[:, column][~np.isnan(table[:, column])]
        assert np.all(values >= (-np.inf if spec.low is None else spec.low) - 1e-6), spec.name
        assert np.all(values <= (np.inf if spec.high is None else spec.high) + 1e-6), spec.name


@given(layers())
def test_permuting_heads_permutes_the_answer(maps):
    order = np.random.default_rng(1).permutation(len(maps.attn))
    permuted = Maps(
        attn=maps.attn[order], causal=maps.causal, cross=maps.cross, special=maps.special
    )
    np.testing.assert_allclose(
        compute_metrics(permuted), compute_metrics(maps)[order], rtol=1e-5, atol=1e-6
    )


@given(layers(max_heads=1))
def test_a_uniform_head_scores_the_uniform_reference(maps):
    np.testing.assert_array_equal(compute_metrics(maps.uniform())[0], uniform_reference(maps))


@given(layers(cross=False))
def test_cropping_takes_padding_out_of_every_metric(maps):
    n = maps.keys
    padded = np.full((len(maps.attn), n + 3, n + 3), 1 / (n + 3))
    padded[:, :n, :] = 0
    padded[:, :n, :n] = maps.attn
    cropped = Maps(attn=padded[:, :n, :n], causal=maps.causal, special=maps.special)
    np.testing.assert_allclose(compute_metrics(cropped), compute_metrics(maps), rtol=1e-6)


@given(layers())
def test_a_metric_called_alone_gives_what_the_table_holds(maps):
    table = compute_metrics(maps)
    for column, entry in enumerate(registry._entries.values()):
        alone = np.asarray(entry.function(maps), dtype=np.float32)
        np.testing.assert_array_equal(alone, table[:, column], err_msg=entry.spec.name)


@given(layers())
def test_single_precision_changes_no_metric_noticeably(maps):
    single = Maps(
        attn=maps.attn.astype(np.float32),
        causal=maps.causal,
        cross=maps.cross,
        special=maps.special,
    )
    np.testing.assert_allclose(compute_metrics(single), compute_metrics(maps), atol=2e-6)


@given(layers(max_heads=6))
def test_heads_in_chunks_give_what_they_give_together(maps):
    def only(heads):
        return Maps(
            attn=maps.attn[heads], causal=maps.causal, cross=maps.cross, special=maps.special
        )

    half = len(maps.attn) // 2
    if half:
        chunks = [compute_metrics(only(slice(half))), compute_metrics(only(slice(half, None)))]
        whole = compute_metrics(maps)
        per_head = [place for place, name in enumerate(DEFAULT) if name != "head_diversity"]
        np.testing.assert_allclose(
            np.concatenate(chunks)[:, per_head], whole[:, per_head], rtol=1e-6, atol=1e-7
        )


def test_cross_attention_leaves_exactly_the_position_shares_undefined():
    maps = Maps(attn=random_attention(0, 2, 3, 5), cross=True, logit_max=np.array([1.0, 2.0]))
    maps = replace(maps, sizes=HeadSizes(**{f.name: np.ones(2) for f in fields(HeadSizes)}))
    empty = np.isnan(compute_metrics(maps)).all(axis=0)
    assert {name for name, nan in zip(DEFAULT, empty, strict=True) if nan} == UNDEFINED_FOR_CROSS


def test_what_nobody_measured_of_a_head_is_unknown():
    empty = np.isnan(compute_metrics(Maps(attn=random_attention(0, 2, 3, 3)))).all(axis=0)
    assert {name for name, nan in zip(DEFAULT, empty, strict=True) if nan} >= SIZES


def test_a_head_of_nan_does_not_reach_its_neighbours():
    attn = random_attention(0, 3, 4, 4)
    clean = compute_metrics(Maps(attn=attn))
    attn[1] = np.nan
    broken = compute_metrics(Maps(attn=attn))
    layer_wide = DEFAULT.index("head_diversity")
    np.testing.assert_allclose(
        np.delete(broken, layer_wide, axis=1)[[0, 2]],
        np.delete(clean, layer_wide, axis=1)[[0, 2]],
    )
    assert np.isnan(broken[1, :2]).all()


def test_a_new_metric_is_one_function_and_one_registration():
    @metric("peak", title="Peak", unit="share of attention", low=0, high=1, reading="1: one key.")
    def peak(maps):
        return maps.attn.max(axis=(1, 2))

    maps = Maps(attn=random_attention(0, 3, 4, 4))
    assert metric_specs()[-1].name == "peak"
    np.testing.assert_allclose(compute_metrics(maps)[:, -1], maps.attn.max(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(uniform_reference(maps)[-1], 0.25)


def test_defining_a_metric_again_replaces_it_in_place():
    def define(value):
        @metric("mine", title="Mine", unit="1", reading="-")
        def mine(maps):
            return np.full(len(maps.attn), value)

    define(1.0)
    define(2.0)
    assert [spec.name for spec in metric_specs()].count("mine") == 1
    assert compute_metrics(one_head(np.eye(2)))[0, -1] == 2


def test_another_function_under_a_taken_name_is_refused():
    with pytest.raises(
        ConfigurationError,
        match=r"metric 'sink' is already defined by attn_monitor\.analysis\.metrics\.sinks\.sink; "
        r"give .*thief another name",
    ):

        @metric("sink", title="Sink", unit="1", reading="-")
        def thief(maps):
            return maps.attn[:, 0, 0]


@pytest.mark.parametrize("name", ["", "Sink", "1st", "a-b", "../up", "white space"])
def test_names_that_could_not_be_tags_or_files_are_refused(name):
    with pytest.raises(ConfigurationError, match="must be lower-case letters, digits"):
        metric(name, title="T", unit="1", reading="-")


def test_a_metric_of_the_wrong_shape_is_named_in_the_error():
    @metric("flat", title="Flat", unit="1", reading="-")
    def flat(maps):
        return maps.attn.max(axis=-1)

    with pytest.raises(
        ConfigurationError, match=r"metric 'flat' returned shape \(1, 3\), wanted \(1,\)"
    ):
        compute_metrics(one_head(np.eye(3)))


def test_shared_steps_run_once_per_table_and_forget_afterwards():
    calls = []
    once = shared.shared(lambda maps: calls.append(maps) or maps.attn.sum(axis=-1))
    for name in ("first", "second"):
        metric(name, title=name, unit="1", reading="-")(lambda maps: once(maps)[:, 0])
    for expected in (1, 2):
        compute_metrics(one_head(np.eye(3)))
        assert len(calls) == expected


def test_many_threads_give_the_same_tables_as_one():
    many = [Maps(attn=random_attention(seed, 4, 9, 9)) for seed in range(40)]
    expected = [compute_metrics(maps) for maps in many]
    with ThreadPoolExecutor(8) as pool:
        for found, wanted in zip(pool.map(compute_metrics, many), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_importing_the_analysis_loads_no_heavy_library():
    heavy = "{'torch', 'lightning', 'sklearn', 'networkx', 'gudhi', 'nltk', 'matplotlib'}"
    code = f"import sys, attn_monitor.analysis; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
