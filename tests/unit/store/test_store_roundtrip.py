import re
import uuid
from dataclasses import replace

import fsspec
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import encoder_info, record, translation_info
from zarr.storage import ZipStore

from attn_monitor.core.errors import ConfigurationError, NotRecordedError, RunNotFoundError
from attn_monitor.store import RunWriter, StepRecord, open_run
from attn_monitor.store.codec import decode_attention


@pytest.fixture(params=["local", "file-url", "memory"])
def place(request, tmp_path):
    if request.param == "memory":
        url = f"memory://{uuid.uuid4().hex}"
        yield f"{url}/run"
        fsspec.filesystem("memory").rm(url, recursive=True)
    else:
        yield ("file://" if request.param == "file-url" else "") + str(tmp_path / "run")


def write(place, info, steps, **options):
    with RunWriter(place, info, **options) as writer:
        for step in steps:
            writer.write(record(info, step, epoch=step // 10, vectors=True))


def test_what_was_written_is_what_is_read(place):
    info = translation_info()
    write(place, info, (0, 10, 25))
    run = open_run(place)
    assert run.steps == (0, 10, 25)
    assert run.epochs == (0, 1, 2)
    assert run.parts == ("encoder", "decoder", "cross")
    assert run.probes == info.probes
    assert run.metrics == info.metrics
    assert run.part("decoder") == info.parts[1]
    assert run.problems == ()
    for step in run.steps:
        original = record(info, step, vectors=True)
        assert run.scalars(step) == original.scalars
        for part in info.parts:
            for probe in info.probes:
                for at, layer in enumerate(part.layers):
                    read = run.attention(step=step, probe=probe.index, part=part.name, layer=at)
                    truth = original.attention[part.name][probe.index][at, : layer.heads]
                    np.testing.assert_allclose(read, truth, atol=0.005)


def test_metrics_come_back_bit_for_bit_per_probe_and_as_the_mean_of_a_split(place):
    info = translation_info()
    write(place, info, (0, 10))
    run = open_run(place)
    for part in info.parts:
        for probe in info.probes:
            read = run.metric_values(part=part.name, probe=probe.index)
            for at, step in enumerate(run.steps):
                truth = record(info, step, vectors=True).metrics[part.name][probe.index]
                for index, layer in enumerate(part.layers):
                    kept = slice(layer.heads)
                    assert (read[at, index, kept] == truth[index, kept].astype(np.float32)).all()
                    assert np.isnan(read[at, index, layer.heads :]).all()
    np.testing.assert_array_equal(
        run.metric("prev", part="cross", split="train"),
        run.metric_values(part="cross", probe=1)[..., 1],
    )


def test_metrics_of_every_probe_of_a_split_come_in_the_order_asked(place):
    info = encoder_info(lengths=(4, 5, 6, 7))
    write(place, info, (0, 10))
    run = open_run(place)
    found = run.probe_metrics(("support", "row_entropy"), part="encoder", split="train")
    assert found.shape == (2, 2, 2, 3, 2)
    for at, probe in enumerate((2, 3)):
        truth = run.metric_values(part="encoder", probe=probe)[..., [2, 0]]
        np.testing.assert_array_equal(found[:, at], truth)
    everything = run.probe_metrics(part="encoder", split="train", steps=(10,))
    np.testing.assert_array_equal(everything[..., [2, 0]], found[1:])
    with pytest.raises(NotRecordedError, match="step 5 is not recorded"):
        run.probe_metrics(part="encoder", steps=(5,))
    with pytest.raises(NotRecordedError, match="no metric 'x' in this run"):
        run.probe_metrics(("prev", "x"), part="encoder")


def test_vectors_come_back_with_where_their_tokens_stand(place):
    info = translation_info()
    write(place, info, (5,))
    found = open_run(place).vectors(step=5, part="cross", layer=1, head=0)
    original = record(info, 5, vectors=True).vectors["cross"]
    queries = np.concatenate([original[0].query[1, 0], original[1].query[1, 0]])
    np.testing.assert_allclose(found.query, queries, rtol=1e-3, atol=1e-3)
    values = np.concatenate([original[0].value[1, 0], original[1].value[1, 0]])
    np.testing.assert_allclose(found.value, values, rtol=1e-3, atol=1e-3)
    assert found.query_probe.tolist() == [0] * 3 + [1] * 6
    assert found.key_position.tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert open_run(place).has_vectors(5)


def test_a_recording_without_values_is_read_as_before(place):
    info = translation_info()
    whole = record(info, 5, vectors=True)
    bare = {
        part: {probe: replace(pair, value=None) for probe, pair in pairs.items()}
        for part, pairs in whole.vectors.items()
    }
    writer = RunWriter(place, info)
    writer.write(replace(whole, vectors=bare))
    writer.close()
    found = open_run(place).vectors(step=5, part="cross", layer=1, head=0)
    assert found.value is None
    assert len(found.key) == 7


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    heads=st.integers(1, 4),
    count=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_any_shape_survives_the_round_trip(tmp_path_factory, lengths, heads, count, seed):
    place = tmp_path_factory.mktemp("run")
    info = encoder_info(lengths=lengths, heads=heads, count=count)
    original = record(info, 3, seed=seed)
    with RunWriter(place, info) as writer:
        writer.write(original)
    run = open_run(place)
    for index, maps in original.attention["encoder"].items():
        codes, row_max = run.codes(step=3, probe=index, part="encoder")
        np.testing.assert_allclose(decode_attention(codes, row_max), maps, atol=0.005)


def test_zarr_itself_opens_a_step_and_finds_named_axes(tmp_path):
    info = translation_info()
    write(tmp_path, info, (10,))
    (file,) = tmp_path.glob("plugins/attn_monitor/rank_0000/steps/*.zarr.zip")
    assert file.name == "0000000010-a0.zarr.zip"
    root = zarr.open_group(ZipStore(file, mode="r"), mode="r")
    assert root.attrs.asdict() == {"step": 10, "epoch": 1}
    codes, row_max = root["cross/0001/codes"], root["cross/0001/row_max"]
    assert codes.metadata.dimension_names == ("layer", "head", "query", "key")
    assert row_max.metadata.dimension_names == ("layer", "head", "query")
    assert codes.chunks == (1, 2, 6, 2)
    ours = open_run(tmp_path).codes(step=10, probe=1, part="cross")
    np.testing.assert_array_equal(codes[:], ours[0])
    np.testing.assert_array_equal(row_max[:].astype(np.float32), ours[1])
    vectors = root["decoder/0000/query_vectors"]
    assert vectors.dtype == np.float16
    assert vectors.metadata.dimension_names == ("layer", "head", "query", "d_head")
    truth = record(info, 10, vectors=True).vectors["decoder"][0].query
    np.testing.assert_array_equal(vectors[:], truth.astype(np.float16))


def test_the_documented_way_to_read_a_step_without_us_works(tmp_path, monkeypatch, request):
    info = encoder_info(lengths=(4, 5, 6, 7))
    write(tmp_path, info, (120,))
    text = (request.config.rootpath / "docs" / "store.md").read_text()
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "zarr" in block]
    monkeypatch.chdir(tmp_path / "plugins/attn_monitor/rank_0000/steps")
    names = {}
    exec(code, names)  # noqa: S102 - our own documentation
    truth = record(info, 120, vectors=True).attention["encoder"][3]
    np.testing.assert_allclose(names["attention"], truth, atol=0.005)


def test_layers_come_in_the_order_asked(tmp_path):
    info = encoder_info(count=4)
    write(tmp_path, info, (1,))
    run = open_run(tmp_path)
    everything, maxima = run.codes(step=1, probe=1, part="encoder")
    some, some_maxima = run.codes(step=1, probe=1, part="encoder", layers=(3, 1))
    np.testing.assert_array_equal(some, everything[[3, 1]])
    np.testing.assert_array_equal(some_maxima, maxima[[3, 1]])


def test_probes_that_the_budget_left_out_are_named_when_asked_for(tmp_path):
    info = encoder_info()
    full = record(info, 1)
    part = {"encoder": {1: full.attention["encoder"][1]}}
    with RunWriter(tmp_path, info) as writer:
        writer.write(StepRecord(step=1, epoch=0, attention=part, metrics={}))
        writer.write(StepRecord(step=2, epoch=0, attention={}, metrics={}))
    run = open_run(tmp_path)
    assert run.has_maps(1)
    assert not run.has_maps(2)
    assert not run.has_vectors(1)
    assert run.attention(step=1, probe=1, part="encoder", layer=0).shape == (3, 7, 7)
    with pytest.raises(NotRecordedError, match="step 1 has no maps of probe 0 in part 'encoder'"):
        run.attention(step=1, probe=0, part="encoder", layer=0)
    assert np.isnan(run.metric("prev", part="encoder")).all()


def test_questions_about_what_is_not_there_are_answered_with_what_is(tmp_path):
    write(tmp_path, encoder_info(), (10, 20))
    run = open_run(tmp_path)
    ask = {"step": 10, "probe": 0, "part": "encoder", "layer": 0}
    with pytest.raises(NotRecordedError, match="step 12 is not recorded; the nearest that is: 10"):
        run.attention(**{**ask, "step": 12})
    with pytest.raises(
        NotRecordedError, match=r"no part 'cross' in this run; it has \['encoder'\]"
    ):
        run.attention(**{**ask, "part": "cross"})
    with pytest.raises(NotRecordedError, match="no probe 9 in this run; it has 2"):
        run.attention(**{**ask, "probe": 9})
    with pytest.raises(NotRecordedError, match="no layer 2 in part 'encoder'; it has 2, from 0"):
        run.attention(**{**ask, "layer": 2})
    with pytest.raises(NotRecordedError, match="no layer -1"):
        run.codes(step=10, probe=0, part="encoder", layers=(-1,))
    with pytest.raises(NotRecordedError, match=r"no metric 'x' in this run; it has .*'prev'"):
        run.metric("x", part="encoder")
    with pytest.raises(NotRecordedError, match="no head 3 in part 'encoder'; it has 3, from 0"):
        run.vectors(step=10, part="encoder", layer=0, head=3)


def test_a_directory_without_a_recording_says_what_to_check(tmp_path):
    with pytest.raises(
        RunNotFoundError, match="was AttentionMonitor among the Trainer's callbacks"
    ):
        open_run(tmp_path)


def test_names_and_texts_of_every_kind_survive(tmp_path):

    from attn_monitor.core.nouns import Probe, Tokens

    hostile = (
        "<img onerror=alert(1)>",
        "",
        "\udc80half",
        "مرحبا",
        "👩‍👩‍👧",
        "x" * 10_000,
        "\x00\n",
    )
    info = encoder_info(lengths=(len(hostile),))
    names = ("../../etc", "a/b", "..", "weird ünï", "__proto__")
    parts = tuple(replace(info.parts[0], name=name) for name in names)
    info = replace(
        info,
        parts=parts,
        uniform={},
        probes=(Probe(index=0, split="val", source=Tokens(text=hostile)),),
        options={"nan": float("nan"), "ünï": "💥", "yes": True},
    )
    write(tmp_path, info, (1,))
    run = open_run(tmp_path)
    assert run.parts == names
    assert run.probes[0].source.text == hostile
    assert run.options["ünï"] == "💥"
    truth = record(info, 1, vectors=True).attention
    for name in names:
        read = run.attention(step=1, probe=0, part=name, layer=1)
        np.testing.assert_allclose(read, truth[name][0][1], atol=0.005)
    assert {path.name for path in tmp_path.iterdir()} == {"plugins"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention": {"cross": {}}}, r"attention has 'cross', which the run does not; known"),
        ({"attention": {"encoder": {9: np.zeros((2, 3, 4, 4))}}}, r"attention\['encoder'\] has 9"),
        (
            {"attention": {"encoder": {0: np.zeros((2, 3, 5, 5))}}},
            r"\[0\] has shape \(2, 3, 5, 5\), wanted \(2, 3, 4, 4\) = \[layer, head, query, key\]",
        ),
        (
            {"metrics": {"encoder": np.zeros((1, 2, 3, 3))}},
            r"metrics\['encoder'\] has shape \(1, 2, 3, 3\), wanted \(2, 2, 3, 3\)",
        ),
        ({"step": -1}, "step and epoch count from 0, got step -1"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_and_leaves_no_trace(tmp_path, change, message):
    info = encoder_info()
    fields = {"step": 1, "epoch": 0, "attention": {}, "metrics": {}} | change
    with RunWriter(tmp_path, info) as writer, pytest.raises(ConfigurationError, match=message):
        writer.write(StepRecord(**fields))
    assert open_run(tmp_path).steps == ()


def test_numbers_that_numpy_computed_are_written_like_any_other(tmp_path):
    from dataclasses import replace

    info = encoder_info()
    checked = tuple(
        replace(layer, error=np.float64(1e-7), evidence="verified")
        for layer in info.parts[0].layers
    )
    info = replace(info, parts=(replace(info.parts[0], layers=checked),))
    with RunWriter(tmp_path, info) as writer:
        writer.write(record(info, 0, scalars={"val_loss": np.float64("nan"), "lr": np.float64(3)}))
    run = open_run(tmp_path)
    assert np.isnan(run.scalars(0)["val_loss"])
    assert run.scalars(0)["lr"] == 3.0
    assert run.part("encoder").layers[0].error == 1e-7


def test_a_closed_writer_says_so(tmp_path):
    info = encoder_info()
    writer = RunWriter(tmp_path, info)
    writer.close()
    writer.close()
    with pytest.raises(ConfigurationError, match="this RunWriter is closed; open a new one"):
        writer.write(record(info, 0))


@pytest.mark.parametrize("length", [60, 90])
def test_long_texts_are_stored_in_blocks_of_rows_that_are_read_by_themselves(
    tmp_path, monkeypatch, length
):
    # The same rule as for 16 heads x 512 tokens, on a scale that a unit test can afford.
    monkeypatch.setattr("attn_monitor.store.names._CHUNK", 2**13)
    monkeypatch.setattr("attn_monitor.store.names._LARGEST_CHUNK", 2**13)
    info = encoder_info(lengths=(length,), heads=4)
    write(tmp_path, info, (5,))
    (file,) = tmp_path.rglob("*.zarr.zip")
    codes = zarr.open_array(ZipStore(file, mode="r"), mode="r", path="encoder/0000/codes")
    assert codes.chunks == (1, 4, 2**13 // (4 * length), length)
    assert codes.nchunks > 2
    run = open_run(tmp_path)
    whole, maxima = run.codes(step=5, probe=0, part="encoder")
    np.testing.assert_array_equal(whole, codes[:])
    for rows in ((0, 1), (0, 40), (33, 35), (20, 55), (length - 1, length)):
        window, some = run.codes(step=5, probe=0, part="encoder", layers=(1, 0), rows=rows)
        np.testing.assert_array_equal(window, whole[[1, 0], :, slice(*rows)])
        np.testing.assert_array_equal(some, maxima[[1, 0], :, slice(*rows)])
    with pytest.raises(NotRecordedError, match=f"rows=5:5 lies outside 0:{length}"):
        run.codes(step=5, probe=0, part="encoder", rows=(5, 5))
