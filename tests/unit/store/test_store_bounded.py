"""Windows and thumbnails: kept of maps that are too large, and never mistaken for them."""

from dataclasses import replace

import numpy as np
import pytest
import zarr
from recordings import encoder_info, record, rewrite, softmax_rows, translation_info
from zarr.storage import ZipStore

from attn_monitor.core.arrays import evenly_spread
from attn_monitor.core.errors import ConfigurationError, CorruptRecordingError, NotRecordedError
from attn_monitor.core.kept import Kept, stretch_edges, stretch_length
from attn_monitor.store import MapWindow, RunWriter, Thumbnail, open_run
from attn_monitor.store.names import rank_folder
from attn_monitor.store.zarrzip import StepFileBuilder

STEP = 7
KEPT = (
    Kept(probe=0, form="whole"),
    Kept(probe=1, form="window", window=4, cells=3, layers=2, heads=1),
)


def bounded(info=None):
    """Probe 0 whole; of probe 1, with 7 tokens, a window of 4 beside thumbnails of 3 cells."""
    info = encoder_info(count=3) if info is None else info
    whole = record(info, STEP)
    maps = whole.attention["encoder"]
    edges = stretch_edges(7, 3)
    cells = np.add.reduceat(np.add.reduceat(maps[1], edges[:-1], axis=3), edges[:-1], axis=2)
    cells /= np.diff(edges)[:, None]
    return replace(
        whole,
        attention={"encoder": {0: maps[0]}},
        windows={
            "encoder": {1: MapWindow(attn=maps[1][..., 2:6, 1:5], query_start=2, key_start=1)}
        },
        thumbnails={
            "encoder": {
                1: Thumbnail(
                    cells=cells[[0, 2]][:, [0]],
                    layers=(0, 2),
                    heads=(0,),
                    query_edges=edges,
                    key_edges=edges,
                )
            }
        },
    )


@pytest.fixture
def run_dir(tmp_path):
    info = replace(encoder_info(count=3), kept=KEPT)
    with RunWriter(tmp_path, info) as writer:
        writer.write(bounded())
    return tmp_path


def test_a_window_comes_back_with_its_place_and_as_shares_of_the_whole_row(run_dir):
    truth = record(encoder_info(count=3), STEP).attention["encoder"][1]
    for layer in range(3):
        found = open_run(run_dir).window(step=STEP, probe=1, part="encoder", layer=layer)
        assert (found.query_start, found.key_start) == (2, 1)
        np.testing.assert_allclose(found.attn, truth[layer][:, 2:6, 1:5], atol=0.005)
        assert (found.attn.sum(axis=-1) < 0.99).any()  # nothing was divided among what is left


def test_a_thumbnail_comes_back_with_its_heads_and_edges_and_rows_of_one(run_dir):
    truth = record(encoder_info(count=3), STEP).attention["encoder"][1]
    found = open_run(run_dir).thumbnail(step=STEP, probe=1, part="encoder", layer=2)
    assert (found.layers, found.heads) == ((2,), (0,))
    assert found.query_edges == found.key_edges == (0, 3, 6, 7)
    assert found.cells.shape == (1, 3, 3)
    np.testing.assert_allclose(found.cells[0, 1, 0], truth[2, 0, 3:6, :3].sum() / 3, atol=0.005)
    np.testing.assert_allclose(found.cells.sum(axis=-1), 1.0, atol=1e-6)


def test_a_bounded_probe_is_refused_as_a_map_and_the_message_says_how_to_read_it(run_dir):
    run = open_run(run_dir)
    hint = r"no maps of probe 1 .*; what fits the byte budget is read with Run\.window\(\) and "
    with pytest.raises(NotRecordedError, match=hint + r"Run\.thumbnail\(\)"):
        run.attention(step=STEP, probe=1, part="encoder", layer=0)
    with pytest.raises(NotRecordedError, match=r"no windows of probe 0 .* Run\.attention\(\)"):
        run.window(step=STEP, probe=0, part="encoder", layer=0)
    with pytest.raises(NotRecordedError, match=r"layers \[0, 2\] .* not of layer 1: its byte"):
        run.thumbnail(step=STEP, probe=1, part="encoder", layer=1)
    with pytest.raises(NotRecordedError, match="no layer 3 in part 'encoder'"):
        run.window(step=STEP, probe=1, part="encoder", layer=3)
    assert run.metric_values(part="encoder", probe=1).shape == (1, 3, 3, 3)


def test_the_run_states_what_is_kept_of_each_probe(run_dir):
    run = open_run(run_dir)
    assert (run.kept(0), run.kept(1)) == KEPT
    with pytest.raises(NotRecordedError, match="no probe 9"):
        run.kept(9)


def test_recordings_that_do_not_say_what_is_kept_are_read_as_before(run_dir):
    edit_run_json(run_dir, lambda description: description.pop("kept"))
    run = open_run(run_dir)
    assert run.kept(0) is None
    assert run.attention(step=STEP, probe=0, part="encoder", layer=0).shape == (3, 4, 4)


def test_zarr_opens_windows_and_thumbnails_with_named_axes(run_dir):
    (file,) = run_dir.glob("plugins/attn_monitor/rank_0000/steps/*.zarr.zip")
    root = zarr.open_group(ZipStore(file, mode="r"), mode="r")
    window, small = root["encoder/0001/window"], root["encoder/0001/thumbnail"]
    assert window.attrs.asdict() == {"queries": [2, 6], "keys": [1, 5]}
    assert window["codes"].shape == (3, 3, 4, 4)
    assert small.attrs["query_edges"] == [0, 3, 6, 7]
    names = ("layer", "head", "query_stretch", "key_stretch")
    assert small["codes"].metadata.dimension_names == names


def test_thinning_a_step_gives_up_its_windows_and_thumbnails_too(tmp_path):
    info = replace(encoder_info(count=3), kept=KEPT)
    with RunWriter(tmp_path, info, budget_mb=1e-6) as writer:
        for step in (1, 2, 3):
            writer.write(replace(bounded(), step=step))
    with pytest.raises(NotRecordedError, match="maps of step 2 were given up"):
        open_run(tmp_path).window(step=2, probe=1, part="encoder", layer=0)


@pytest.mark.parametrize(
    ("start", "attn", "message"),
    [
        ((4, 0), (2, 3, 4, 4), r"shape \(2, 3, 4, 4\) from query 4 and key 0, wanted .* inside"),
        ((0, 4), (2, 3, 4, 4), "from query 0 and key 4"),
        ((0, 0), (1, 3, 4, 4), r"shape \(1, 3, 4, 4\)"),
        ((0, 0), (2, 3, 0, 4), r"shape \(2, 3, 0, 4\)"),
    ],
)
def test_a_window_that_does_not_lie_in_its_sentence_is_refused(tmp_path, start, attn, message):
    info = encoder_info()
    window = MapWindow(attn=np.ones(attn, np.float32), query_start=start[0], key_start=start[1])
    with RunWriter(tmp_path, info) as writer, pytest.raises(ConfigurationError, match=message):
        writer.write(replace(record(info, STEP), windows={"encoder": {1: window}}))


def test_a_thumbnail_that_contradicts_its_edges_is_refused(tmp_path):
    info = encoder_info()
    small = Thumbnail(
        cells=softmax_rows(np.random.default_rng(0), (2, 3, 3, 3)),
        layers=(0, 1),
        heads=(0, 1, 2),
        query_edges=(0, 7),
        key_edges=(0, 3, 6, 7),
    )
    with (
        RunWriter(tmp_path, info) as writer,
        pytest.raises(ConfigurationError, match=r"shape \(2, 3, 3, 3\), .* \(2, 3, 1, 3\)"),
    ):
        writer.write(replace(record(info, STEP), thumbnails={"encoder": {1: small}}))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("window", "queries"), [2, 8], "queries is 8, expected 0 to 7"),
        (("window", "queries"), [4, 4], r"queries should be \[start, stop\], got \[4, 4\]"),
        (("window", "keys"), [1], r"keys should be \[start, stop\]"),
        (("window", "keys"), [0, 5], "run.json implies"),
        (("thumbnail", "layers"), [0, 3], "layers is 3, expected 0 to 2"),
        (("thumbnail", "heads"), [], "heads should be ascending numbers"),
        (("thumbnail", "query_edges"), [0, 5, 3, 7], "query_edges should be ascending numbers"),
        (("thumbnail", "key_edges"), [0, 3, 5], "key_edges should go from 0 to 7"),
        (("thumbnail", "key_edges"), "0357", "key_edges should be a list"),
    ],
)
def test_places_that_cannot_be_are_refused_before_anything_is_read(
    tmp_path, monkeypatch, place, value, message
):
    group, name = place
    honest = StepFileBuilder.group

    def hostile(self, path, attributes):
        changed = {**attributes, name: value} if path.endswith(group) else attributes
        honest(self, path, changed)

    monkeypatch.setattr(StepFileBuilder, "group", hostile)
    with RunWriter(tmp_path, encoder_info(count=3)) as writer:
        writer.write(bounded())
    run = open_run(tmp_path)
    with pytest.raises(CorruptRecordingError, match=message):
        getattr(run, group)(step=STEP, probe=1, part="encoder", layer=0)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("probe", 5, r"kept\[1\]\.probe is 5, which is not among the probes"),
        ("probe", 0, "probes in kept are not unique"),
        ("form", "all", r"kept\[1\]\.form should be one of whole, window, thumbnail, metrics"),
        ("layers", 0, r"kept\[1\]\.layers is 0, expected 1 to"),
        ("vectors", 1, r"kept\[1\]\.vectors should be true or false"),
    ],
)
def test_statements_that_make_no_sense_name_their_field(run_dir, field, value, message):
    edit_run_json(run_dir, lambda description: description["kept"][1].update({field: value}))
    with pytest.raises(CorruptRecordingError, match=message):
        open_run(run_dir)


def test_chosen_positions_are_spread_from_the_first_to_the_last():
    assert evenly_spread(9, 3) == (0, 4, 8)
    assert evenly_spread(4, 1) == (0,)
    assert evenly_spread(3, 8) == evenly_spread(3, None) == (0, 1, 2)


def test_stretches_are_as_long_as_the_longer_axis_needs():
    assert stretch_length(5, 64, 64) == 1
    assert stretch_length(300, 65, 64) == 5
    assert stretch_edges(12, 5) == (0, 5, 10, 12)
    assert stretch_edges(10, 5) == (0, 5, 10)


def edit_run_json(run_dir, change):
    rewrite(run_dir / rank_folder(0) / "run.json", change)


def test_a_translation_model_keeps_a_window_per_part(tmp_path):
    info = translation_info()
    whole = record(info, STEP)
    cross = whole.attention["cross"][0]
    windows = {"cross": {0: MapWindow(attn=cross[..., :2, :4])}}
    with RunWriter(tmp_path, info) as writer:
        writer.write(replace(whole, attention={}, windows=windows))
    found = open_run(tmp_path).window(step=STEP, probe=0, part="cross", layer=1)
    np.testing.assert_allclose(found.attn, cross[1][:, :2, :4], atol=0.005)
