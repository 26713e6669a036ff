"""Maps as the server answers them: whole, in windows, coarse, joined."""

from dataclasses import replace

import numpy as np
import pytest
from frames import read_frame
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from attn_monitor.analysis.coarse import coarse_maps
from attn_monitor.core.kept import Kept
from attn_monitor.core.maps import Maps
from attn_monitor.core.nouns import Tokens
from attn_monitor.store import MapWindow, Thumbnail, open_run

RUN = "exp/version_0"


@pytest.fixture
def run(logdir):
    return open_run(logdir / RUN)


def test_of_a_text_too_long_to_keep_its_first_tokens_are_answered_for(tmp_path):
    kept = (Kept(probe=0, form="window", window=5, cells=0),)
    info = replace(encoder_info(lengths=(9,)), kept=kept)
    whole = record(info, 0)
    maps = whole.attention["encoder"][0]
    window = MapWindow(attn=maps[..., :5, :5])
    bounded = replace(whole, attention={}, windows={"encoder": {0: window}})
    write_run(tmp_path / "a", info, [bounded])
    tab = Tab(tmp_path)
    assert tab.get("run", run="a").json["steps"][0]["maps"] is True
    ask = {"run": "a", "step": 0, "part": "encoder", "probe": 0, "layers": "1"}
    kind, shown = read_frame(tab.get("attention", **ask, rows="1:4", keys="0:5").data)
    assert kind == 4
    np.testing.assert_allclose(shown[0], maps[1, :, 1:4, :5], atol=0.005)
    _, joined = read_frame(tab.get("attention", **ask, merge=5).data)
    np.testing.assert_allclose(joined[0, :, 0, 0], maps[1, :, :5, :5].sum(-1).mean(-1), atol=0.005)
    reply = tab.get("attention", **ask, rows="4:9")
    assert reply.status_code == 404
    assert "rows=4:9 lies outside 0:5, which is all that the byte budget" in reply.text


def test_coarse_maps_answer_for_the_whole_text_with_their_own_merge_and_nothing_else(tmp_path):
    kept = (Kept(probe=0, form="thumbnail", cells=3, layers=1, heads=2),)
    info = replace(encoder_info(lengths=(8,)), kept=kept)
    whole = record(info, 0)
    cells = coarse_maps(Maps(attn=whole.attention["encoder"][0][0]), cells=3)
    small = Thumbnail(
        cells=cells[None, [0, 2]],
        layers=(0,),
        heads=(0, 2),
        query_edges=(0, 3, 6, 8),
        key_edges=(0, 3, 6, 8),
    )
    bounded = replace(whole, attention={}, thumbnails={"encoder": {0: small}})
    write_run(tmp_path / "a", info, [bounded])
    tab = Tab(tmp_path)
    assert tab.get("run", run="a").json["steps"][0]["maps"] is True
    ask = {"run": "a", "step": 0, "part": "encoder", "probe": 0}
    kind, shown = read_frame(tab.get("attention", **ask, rows="0:8", keys="0:8", merge=3).data)
    assert (kind, shown.shape) == (4, (2, 3, 3, 3))
    np.testing.assert_allclose(shown[0, [0, 2]], cells[[0, 2]], atol=0.005)
    assert np.isnan(shown[0, 1]).all()  # a head that was not kept
    assert np.isnan(shown[1]).all()  # a layer that was not kept
    for other in ({"merge": 2}, {}, {"rows": "0:6", "merge": 3}):
        reply = tab.get("attention", **ask, **other)
        assert reply.status_code == 404
        assert "left coarse maps of probe 0; ask for its whole text with merge=3" in reply.text


@pytest.mark.parametrize("part", ["encoder", "decoder", "cross"])
def test_maps_travel_as_frames_that_decode_to_what_open_run_returns(tab, run, part):
    for probe in (0, 1):
        reply = tab.get("attention", run=RUN, step=10, part=part, probe=probe)
        assert reply.content_type == "application/octet-stream"
        kind, values = read_frame(reply.data)
        assert kind == 1
        for at, layer in enumerate(run.part(part).layers):
            truth = run.attention(step=10, probe=probe, part=part, layer=at)
            np.testing.assert_allclose(values[at, : layer.heads], truth, atol=1e-6)


def test_layers_come_in_the_order_asked_from_disk_and_from_memory(logdir, run):
    tab = Tab(logdir)
    ask = {"run": RUN, "step": 0, "part": "encoder", "probe": 0}
    for layers in ((2, 0), (0,), (1, 2), (2, 1, 0)):
        text = ",".join(map(str, layers))
        values = read_frame(tab.get("attention", layers=text, **ask).data)[1]
        truth = [run.attention(step=0, probe=0, part="encoder", layer=layer) for layer in layers]
        np.testing.assert_allclose(values, truth, atol=1e-6)


@pytest.mark.parametrize(("rows", "keys"), [("1:3", "0:2"), ("0:1", None), (None, "4:5")])
def test_a_window_shows_the_same_values_as_the_whole(tab, run, rows, keys):
    ask = {"run": RUN, "step": 20, "part": "encoder", "probe": 0}
    window = {name: value for name, value in (("rows", rows), ("keys", keys)) if value is not None}
    kind, values = read_frame(tab.get("attention", **ask, **window).data)
    assert kind == 4
    bounds = [slice(*map(int, text.split(":"))) if text else slice(None) for text in (rows, keys)]
    for layer in range(3):
        truth = run.attention(step=20, probe=0, part="encoder", layer=layer)
        np.testing.assert_allclose(values[layer], truth[:, bounds[0], bounds[1]], atol=1e-6)


def test_attention_given_to_a_sink_is_not_shared_out_among_the_words(tmp_path):
    info = encoder_info()
    whole = record(info, 0)
    sunk = {probe: maps * np.float32(0.4) for probe, maps in whole.attention["encoder"].items()}
    write_run(tmp_path / "a", info, [replace(whole, attention={"encoder": sunk})])
    run = open_run(tmp_path / "a")
    read = run.attention(step=0, probe=1, part="encoder", layer=0)
    np.testing.assert_allclose(read, sunk[1][0], atol=0.005)
    tab = Tab(tmp_path)
    ask = {"run": "a", "step": 0, "part": "encoder", "probe": 1}
    kind, values = read_frame(tab.get("attention", **ask).data)
    assert kind == 4
    np.testing.assert_allclose(values[0], read, atol=1e-6)
    _, window = read_frame(tab.get("attention", **ask, keys="2:5").data)
    np.testing.assert_allclose(window[0], read[..., 2:5], atol=1e-6)


def test_joined_tokens_give_sums_over_keys_and_means_over_queries(tmp_path):
    info = encoder_info(lengths=(7,))
    write_run(tmp_path / "a", info, [record(info, 0)])
    whole = open_run(tmp_path / "a").attention(step=0, probe=0, part="encoder", layer=1)
    tab = Tab(tmp_path)
    ask = {"run": "a", "step": 0, "part": "encoder", "probe": 0, "layers": "1"}
    kind, joined = read_frame(tab.get("attention", **ask, rows="0:7", keys="1:7", merge=3).data)
    assert kind == 4
    assert joined.shape == (1, 3, 3, 2)
    groups = [(0, 3), (3, 6), (6, 7)]
    for at, (first, past) in enumerate(groups):
        for column, (left, right) in enumerate([(1, 4), (4, 7)]):
            expected = whole[:, first:past, left:right].sum(axis=2).mean(axis=1)
            np.testing.assert_allclose(joined[0, :, at, column], expected, atol=0.005)
    again = tab.get("attention", **ask, rows="0:7", keys="1:7", merge=3).data
    np.testing.assert_array_equal(read_frame(again)[1], joined)
    assert tab.get("attention", **ask, merge=0).status_code == 400
    assert tab.get("attention", **ask, keys="0:9", merge=2).status_code == 404


def test_means_over_sentences_of_one_shape_are_asked_for_like_sentences(tmp_path):
    info = encoder_info(lengths=(5, 5, 6, 5, 6, 5))  # 5, 5, 6 are for validation
    other = Tokens(text=("w0", "x1", "w2", "x3", "w4"), special=(0, 1))
    probes = (info.probes[0], replace(info.probes[1], source=other), *info.probes[2:])
    info = replace(info, probes=probes)
    whole = record(info, 0)
    whole.attention["encoder"][3][1, 0, 2] = np.nan  # one row of a training sentence
    write_run(tmp_path / "a", info, [whole, record(info, 1)])
    tab, run = Tab(tmp_path), open_run(tmp_path / "a")
    val, train = tab.get("run", run="a").json["means"]
    assert (val["mean_of"], train["mean_of"]) == ([0, 1], [3, 5])
    assert (val["split"], train["split"]) == ("val", "train")
    assert val["source"] == {"text": ["w0", "#1", "w2", "#3", "w4"], "special": [0]}
    ask = {"run": "a", "part": "encoder", "probe": val["index"]}
    single = [
        np.stack([run.attention(step=0, probe=i, part="encoder", layer=k) for k in range(2)])
        for i in (0, 1, 3, 5)
    ]
    _, maps = read_frame(tab.get("attention", **ask, step=0).data)
    np.testing.assert_allclose(maps, (single[0] + single[1]) / 2, atol=0.005)
    _, some = read_frame(tab.get("attention", **ask, step=0, rows="1:4", keys="0:2").data)
    np.testing.assert_allclose(some, maps[:, :, 1:4, :2], atol=0.005)
    _, joined = read_frame(tab.get("attention", **ask, step=0, merge=5).data)
    np.testing.assert_allclose(joined, np.ones((2, 3, 1, 1)), atol=0.005)
    assert tab.get("attention", **ask, step=0, rows="0:9").status_code == 404
    _, undefined = read_frame(tab.get("attention", **{**ask, "probe": train["index"]}, step=0).data)
    assert np.isnan(undefined[1, 0, 2]).all()
    np.testing.assert_allclose(undefined[0], (single[2][0] + single[3][0]) / 2, atol=0.005)
    series = [tab.get("metrics", run="a", part="encoder", probe=i).data for i in (0, 1)]
    numbers = np.mean([read_frame(data)[2] for data in series], axis=0)
    found = read_frame(tab.get("metrics", **ask).data)[2]
    np.testing.assert_allclose(found, numbers, rtol=1e-6)
    piles = tab.get("over_time", **ask, layer=0, head=0, cut=1).json
    assert piles["probe"] == val["index"]
    assert tab.get("attention", **{**ask, "probe": val["index"] + 2}, step=0).status_code == 404
