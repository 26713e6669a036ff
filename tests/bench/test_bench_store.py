"""What recording costs beside a training loop, and what a page waits for."""

from __future__ import annotations

import io
import statistics
import time
import tracemalloc

import numpy as np
import pytest
import zarr
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab
from zarr.storage import ZipStore

from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.codec import encode_attention
from attn_monitor.store.step_zip import step_contents

pytestmark = pytest.mark.bench
ROUNDS = 9


def alternating(*functions, rounds=ROUNDS):
    """Return the median milliseconds of each, run in turns so that all meet the same weather."""

    def milliseconds(function):
        start = time.perf_counter()
        function()
        return 1000 * (time.perf_counter() - start)

    times = [[milliseconds(function) for function in functions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


@pytest.fixture(scope="module")
def tweets():
    """32 probes of 8 to 40 tokens through 6 layers of 8 heads, as in the demo."""
    lengths = np.random.default_rng(0).integers(8, 41, 32).tolist()
    info = encoder_info(lengths=lengths, heads=8, count=6)
    return info, record(info, 0)


def test_a_step_is_encoded_in_a_fraction_of_what_zarr_takes(tweets, tmp_path, capsys):
    info, step = tweets

    def through_zarr():
        store = ZipStore(tmp_path / "z.zip", mode="w")
        root = zarr.create_group(store)
        for probe, maps in step.attention["encoder"].items():
            group = root.create_group(f"encoder/{probe:04d}")
            codes, row_max = encode_attention(maps)
            names = ("layer", "head", "query", "key")
            for name, values, chunk in (
                ("codes", codes, (1, *codes.shape[1:])),
                ("row_max", row_max, row_max.shape),
            ):
                array = group.create_array(
                    name,
                    shape=values.shape,
                    chunks=chunk,
                    dtype=values.dtype,
                    dimension_names=names[: values.ndim],
                )
                array[:] = values
        store.close()

    ours, theirs = alternating(lambda: step_contents(info, step), through_zarr)
    size = len(step_contents(info, step))
    with capsys.disabled():
        print(f"\nencode a step: {ours:.1f} ms ({size / 1e6:.2f} MB), through zarr {theirs:.1f} ms")
    assert ours < theirs / 3


def test_a_durable_step_costs_little_more_than_the_bytes_on_disk(tweets, tmp_path, capsys):
    info, step = tweets
    buffer = io.BytesIO()
    np.savez(buffer, *step.attention["encoder"].values())
    raw = buffer.getvalue()
    folder = type(RunWriter(tmp_path / "x", info)._folder)(str(tmp_path))
    with RunWriter(tmp_path / "run", info) as writer:
        ours, plain = alternating(lambda: writer.write(step), lambda: folder.write("raw", raw))
    tracemalloc.start()
    step_contents(info, step)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with capsys.disabled():
        print(
            f"\nwrite a step durably: {ours:.1f} ms; its floats as one flushed file: {plain:.1f} ms"
            f" ({len(raw) / 1e6:.1f} MB); working memory {peak / 1e6:.1f} MB"
        )
    assert ours < 12 * plain


def test_a_window_of_a_long_text_is_read_faster_than_the_whole(tmp_path, capsys):
    info = encoder_info(lengths=(512,), heads=16, count=6)
    run_dir = tmp_path / "run"
    write_run(run_dir, info, [record(info, 0)])
    run = open_run(run_dir)
    ask = {"step": 0, "probe": 0, "part": "encoder"}
    window, whole = alternating(
        lambda: run.codes(**ask, rows=(0, 64)), lambda: run.codes(**ask), rounds=5
    )
    tab = Tab(tmp_path)
    query = {**ask, "run": "run", "rows": "0:64", "keys": "0:64"}
    (reply,) = alternating(lambda: tab.get("attention", **query), rounds=5)
    with capsys.disabled():
        print(
            f"\n6 layers x 16 heads x 512: rows 0:64 {window:.0f} ms, everything {whole:.0f} ms; "
            f"a reply of 64 x 64 {reply:.0f} ms"
        )
    assert window < whole / 2


def test_metrics_of_all_steps_come_faster_than_one_step_of_maps_per_step(tmp_path, capsys):
    info = encoder_info(lengths=(20,) * 16, heads=8, count=6)
    with RunWriter(tmp_path, info) as writer:
        for step in range(50):
            writer.write(record(info, step))

    def everything():
        fresh = open_run(tmp_path)
        return [fresh.codes(step=s, probe=0, part="encoder") for s in fresh.steps]

    metrics, maps = alternating(
        lambda: open_run(tmp_path).metric_values(part="encoder", probe=3), everything, rounds=5
    )
    with capsys.disabled():
        print(f"\nall metrics of 50 steps: {metrics:.1f} ms; one probe's maps: {maps:.1f} ms")
    assert metrics < maps / 2
