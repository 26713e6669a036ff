"""Routes that compute: their numbers are the analysis's own, on what open_run returns."""

from collections import Counter
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from attn_monitor.analysis.methods.redundancy import redundant_pairs
from attn_monitor.analysis.piles import pile_distances, pile_tree
from attn_monitor.analysis.topology import head_topology
from attn_monitor.core.maps import Maps
from attn_monitor.store import open_run

RUN = "exp/version_0"


@pytest.fixture(scope="module")
def lens_dir(tmp_path_factory):
    """Ten steps with vectors of two validation, one training and three lens sentences."""
    root = tmp_path_factory.mktemp("lens")
    info = encoder_info(lengths=(9, 8, 7, 12, 10, 11), heads=2)
    splits = ("val", "val", "train", "lens", "lens", "lens")
    probes = tuple(
        replace(probe, split=split) for probe, split in zip(info.probes, splits, strict=True)
    )
    info = replace(info, probes=probes)
    rng = np.random.default_rng(0)
    drift = [record(info, 0, vectors=True)]
    for step in range(1, 10):
        moved = {
            index: replace(
                pair,
                query=pair.query + 0.05 * rng.normal(size=pair.query.shape),
                key=pair.key + 0.05 * rng.normal(size=pair.key.shape),
            )
            for index, pair in drift[-1].vectors["encoder"].items()
        }
        drift.append(replace(record(info, step), vectors={"encoder": moved}))
    write_run(root / "a", info, drift)
    return root


@pytest.fixture(scope="module")
def lens_tab(lens_dir):
    return Tab(lens_dir)


def test_lens_sentences_are_not_among_the_probes_to_page_through(lens_tab):
    probes = lens_tab.get("run", run="a").json["probes"]
    assert [probe["split"] for probe in probes] == ["val", "val", "train"]


def test_a_head_that_is_not_finite_lies_on_a_pile_of_its_own(tmp_path):
    info = encoder_info(lengths=(9, 8, 7), heads=4)  # two of validation
    whole = record(info, 0)
    maps = {probe: attn.copy() for probe, attn in whole.attention["encoder"].items()}
    maps[1][0, 1] = np.nan
    maps[0][1] = np.nan
    write_run(tmp_path / "a", info, [replace(whole, attention={"encoder": maps})])
    first, second = Tab(tmp_path).get("piles", run="a", step=0, part="encoder").json["layers"][:2]
    others = [
        Maps(attn=maps[probe][0, [0, 2, 3]], key_tokens=info.probes[probe].source.text)
        for probe in (0, 1)
    ]
    expected = pile_tree(pile_distances(others))
    names = [0, 2, 3, 4, 5, 6]  # of the piles without head 1
    assert [row[:2] for row in first["merges"]] == [
        [names[int(pile)] for pile in row[:2]] for row in expected.merges
    ]
    assert [row[2] for row in first["merges"]] == pytest.approx(
        expected.merges[:, 2].tolist(),
        abs=1e-3,  # weights are stored in half precision
    )
    assert (first["heads"], second["heads"], second["merges"]) == (4, 4, [])


@pytest.mark.parametrize("part", ["encoder", "cross"])
@pytest.mark.parametrize("linkage", ["average", "ward"])
def test_piles_are_the_merge_trees_of_every_layer(logdir, tab, part, linkage):
    reply = tab.get("piles", run=RUN, step=10, part=part, linkage=linkage).json
    run = open_run(logdir / RUN)
    which = run.part(part)
    assert (reply["split"], reply["scale"], reply["sentences"]) == ("val", "normalised", 1)
    for at, layer in enumerate(reply["layers"]):
        maps = Maps(
            attn=run.attention(step=10, probe=0, part=part, layer=at),
            causal=which.causal,
            cross=which.kind == "cross",
        )
        tree = pile_tree(pile_distances([maps]), linkage=linkage)
        assert layer["heads"] == which.layers[at].heads
        assert layer["linkage"] == linkage
        np.testing.assert_allclose(layer["merges"], tree.merges, atol=1e-6)


def test_redundant_heads_are_those_of_the_maps_that_were_recorded(logdir, tab):
    reply = tab.get("redundancy", run=RUN, step=10, part="encoder").json
    run = open_run(logdir / RUN)
    layers = [
        Maps(attn=run.attention(step=10, probe=0, part="encoder", layer=at))
        for at in range(len(run.part("encoder").layers))
    ]
    expected = redundant_pairs([layers])
    assert [(p["first"], p["second"]) for p in reply["pairs"]] == [
        (list(pair.first), list(pair.second)) for pair in expected
    ]
    assert [p["distance"] for p in reply["pairs"]] == pytest.approx([p.distance for p in expected])
    assert (reply["split"], reply["sentences"], reply["idle"]) == ("val", 1, [])
    assert reply["dormant"] is None  # a recording that does not know what heads write
    assert reply["importance"] is None  # and in which nobody muted heads


def test_long_texts_give_fewer_sentences_and_say_so(lens_dir, monkeypatch):
    monkeypatch.setattr("tb_plugin.server.head_maps.MOST_WEIGHTS", 1)
    assert Tab(lens_dir).get("piles", run="a", step=0, part="encoder").json["sentences"] == 1


def test_topology_is_that_of_the_head_or_of_the_mean_over_heads(logdir):
    """Of a recording it is asked in a notebook; the tab draws the graph itself."""
    attn = open_run(logdir / RUN).attention(step=10, probe=0, part="encoder", layer=1)
    for chosen in (attn[1], attn.mean(axis=0)):
        found = head_topology(chosen, least=0.2)
        weights = np.maximum(chosen, chosen.T)
        np.fill_diagonal(weights, 0)
        graph = nx.from_numpy_array(weights >= 0.2)
        cliques = Counter(map(len, nx.enumerate_all_cliques(graph)))
        assert list(found.cliques.by_size) == [cliques[size] for size in sorted(cliques)]
        assert found.betti.components == nx.number_connected_components(graph)


def test_a_lens_shows_clusters_of_all_sentences_with_where_each_token_is(lens_dir, lens_tab):
    lens = lens_tab.get("lens", run="a", step=0, part="encoder", layer=1, head=0, k=4).json
    vectors = open_run(lens_dir / "a").vectors(step=0, part="encoder", layer=1, head=0)
    queries = lens["queries"]
    assert queries["probe"] == vectors.query_probe.tolist()
    assert queries["position"] == vectors.query_position.tolist()
    assert sorted(set(queries["labels"])) == [0, 1, 2, 3]
    assert sum(queries["profile"]["size"]) == 57
    # Clusters are means: the table must follow from labels and vectors alone.
    labels = np.array(queries["labels"]), np.array(lens["keys"]["labels"])
    centroids = [
        np.stack([side[label == cluster].mean(axis=0) for cluster in range(4)])
        for side, label in zip((vectors.query, vectors.key), labels, strict=True)
    ]
    np.testing.assert_allclose(lens["products"], centroids[0] @ centroids[1].T, atol=1e-3)
    assert np.array(lens["mass"]).shape == (4, 4)
    # Values are clustered over the keys' tokens, and what each query kind takes home sums to 1.
    assert lens["values"]["position"] == vectors.key_position.tolist()
    np.testing.assert_allclose(np.sum(lens["value_mass"], axis=1), 1, atol=1e-6)
    # What the head writes for a kind of query, before its projection: A V token by token.
    run, sizes = open_run(lens_dir / "a"), np.zeros(4)
    for at, probe in enumerate(vectors.query_probe.tolist()):
        row = run.attention(step=0, probe=probe, part="encoder", layer=1)[0]
        taken = row[vectors.query_position[at]] @ vectors.value[vectors.key_probe == probe]
        sizes[queries["labels"][at]] += np.linalg.norm(taken)
    np.testing.assert_allclose(lens["reads"], sizes / queries["profile"]["size"], rtol=1e-4)
    assert lens["d_head"] == 8
    assert lens["tags"][0]


def test_clusters_keep_their_numbers_however_the_slider_came_there(lens_dir):
    ask = {"run": "a", "part": "encoder", "layer": 0, "head": 1, "k": 4}
    walked, jumped = Tab(lens_dir), Tab(lens_dir)
    steps = [walked.get("lens", step=step, **ask).json for step in range(10)]
    assert jumped.get("lens", step=9, **ask).json == steps[9]
    assert steps[0]["queries"]["kept"] is None
    assert min(step["queries"]["kept"] for step in steps[1:]) > 0.8


def test_the_scale_of_colours_is_the_same_at_every_step(lens_tab):
    ask = {"run": "a", "part": "encoder", "layer": 1, "head": 0, "k": 4}
    lenses = [lens_tab.get("lens", step=step, **ask).json for step in (0, 5, 9)]
    (limits,) = {tuple(lens["limits"].items()) for lens in lenses}
    largest = max(np.abs(lens["products"]).max() for lens in lenses)
    assert dict(limits)["products"] >= 0.8 * largest


def test_recordings_without_values_have_lenses_without_them(tmp_path):
    info = encoder_info(lengths=(6, 5))
    step = record(info, 0, vectors=True)
    pairs = step.vectors["encoder"]
    bare = {probe: replace(pair, value=None) for probe, pair in pairs.items()}
    write_run(tmp_path / "a", info, [replace(step, vectors={"encoder": bare})])
    lens = Tab(tmp_path).get("lens", run="a", step=0, part="encoder", layer=0, head=0).json
    assert (lens["values"], lens["value_mass"], lens["reads"]) == (None, None, None)


def test_the_elbow_is_offered_on_demand(lens_tab):
    reply = lens_tab.get("elbow", run="a", step=0, part="encoder", layer=0, head=0).json
    assert reply["keys"]["chosen"] in reply["keys"]["ks"]
    assert len(reply["queries"]["inertias"]) == len(reply["queries"]["ks"])


def test_a_step_without_vectors_says_how_to_record_them(tab):
    reply = tab.get("lens", run=RUN, step=10, part="encoder", layer=0, head=0)
    assert reply.status_code == 404
    assert "record them with AttentionMonitor(lens_sentences=48)" in reply.get_data(as_text=True)


def test_a_head_that_diverged_says_so(tmp_path):
    info = encoder_info(lengths=(6, 5))
    step = record(info, 0, vectors=True)
    step.vectors["encoder"][0].query[0, 0, 0] = np.nan
    write_run(tmp_path / "a", info, [step])
    reply = Tab(tmp_path).get("lens", run="a", step=0, part="encoder", layer=0, head=0)
    assert reply.status_code == 404
    assert "vectors are not finite: the head diverged" in reply.get_data(as_text=True)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("piles", {"linkage": "centroid"}, "should be one of average, complete, single, ward"),
        ("piles", {"scale": "x"}, "should be one of normalised, raw, got 'x'"),
        ("piles", {"step": ""}, "parameter 'step' is missing"),
        ("lens", {"k": "1"}, "parameter 'k' should be 2 to 64, got 1"),
        ("lens", {"k": "65"}, "parameter 'k' should be 2 to 64, got 65"),
    ],
)
def test_parameters_out_of_range_are_refused(lens_tab, path, change, message):
    ask = {"run": "a", "step": "0", "part": "encoder", "probe": "0", "layer": "0", "head": "0"}
    reply = lens_tab.get(path, **{**ask, **change})
    assert reply.status_code == 400
    assert message in reply.get_data(as_text=True)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("piles", {"part": "cross"}, "no part 'cross' in this run"),
        ("piles", {"step": "77"}, "step 77 is not recorded"),
        ("lens", {"head": "2"}, "no head 2 in part 'encoder'; it has 2, from 0"),
    ],
)
def test_heads_that_do_not_exist_are_not_found(lens_tab, path, change, message):
    ask = {"run": "a", "step": "0", "part": "encoder", "probe": "0", "layer": "0", "head": "0"}
    reply = lens_tab.get(path, **{**ask, **change})
    assert reply.status_code == 404
    assert message in reply.get_data(as_text=True)


def test_answers_with_the_right_version_may_be_kept_by_browsers(lens_tab):
    version = lens_tab.get("run", run="a").json["steps"][0]["v"]
    ask = {"run": "a", "step": 0, "part": "encoder"}
    assert lens_tab.get("piles", **ask, v=version).cache_control.max_age == 30 * 24 * 3600
    assert lens_tab.get("piles", **ask).cache_control.max_age is None
