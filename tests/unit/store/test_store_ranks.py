import numpy as np
from recordings import encoder_info, record

from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.names import rank_folder


def write(run_dir, info, steps, rank):
    with RunWriter(run_dir, info, rank=rank) as writer:
        for step in steps:
            writer.write(record(info, step, seed=rank * 1000 + step))


def test_ranks_with_probes_of_their_own_are_read_as_one_run(tmp_path):
    first = encoder_info(lengths=(3, 5))
    second = encoder_info(lengths=(4, 6, 2), first_index=2)
    write(tmp_path, first, (0, 10), rank=0)
    write(tmp_path, second, (0, 10, 20), rank=1)
    run = open_run(tmp_path)
    assert run.steps == (0, 10, 20)
    assert [probe.index for probe in run.probes] == [0, 1, 2, 3, 4]
    truth = record(second, 10, seed=1010)
    read = run.attention(step=10, probe=3, part="encoder", layer=1)
    np.testing.assert_allclose(read, truth.attention["encoder"][3][1], atol=0.005)
    # Validation probes are 0 (rank 0) and 2, 3 (rank 1).
    expected = np.concatenate(
        [record(first, 10, seed=10).metrics["encoder"][:1], truth.metrics["encoder"][:2]]
    )
    mean = run.metric_values(part="encoder", split="val")[1]
    np.testing.assert_allclose(mean, expected.astype(np.float32).mean(axis=0), rtol=1e-6)
    apart = run.probe_metrics(("prev",), part="encoder")[1, ..., 0]
    np.testing.assert_array_equal(apart, expected[..., 1].astype(np.float32))
    alone = record(second, 20, seed=1020).metrics["encoder"][:2].astype(np.float32).mean(axis=0)
    np.testing.assert_allclose(run.metric_values(part="encoder")[2], alone, rtol=1e-6)


def test_a_probe_replayed_by_two_ranks_counts_once(tmp_path):
    info = encoder_info()
    for rank in (0, 1):
        write(tmp_path, info, (0,), rank=rank)
    run = open_run(tmp_path)
    assert len(run.probes) == 2
    truth = record(info, 0, seed=0).metrics["encoder"][0].astype(np.float32)
    np.testing.assert_allclose(run.metric_values(part="encoder")[0], truth)


def test_a_rank_with_another_model_is_left_out_and_named(tmp_path):
    write(tmp_path, encoder_info(heads=3), (0,), rank=0)
    write(tmp_path, encoder_info(heads=2), (10,), rank=1)
    run = open_run(tmp_path)
    assert run.steps == (0,)
    assert "rank_0001 is left out: it has other parts or metrics" in run.problems[0]


def test_a_rank_that_cannot_be_read_does_not_hide_the_others(tmp_path):
    write(tmp_path, encoder_info(), (0,), rank=0)
    write(tmp_path, encoder_info(first_index=2), (0,), rank=1)
    (tmp_path / rank_folder(1) / "run.json").write_text("{}")
    run = open_run(tmp_path)
    assert len(run.probes) == 2
    assert "rank_0001/run.json: schema should be an integer, got None" in run.problems[0]


def test_folders_that_are_not_ranks_are_ignored(tmp_path):
    write(tmp_path, encoder_info(), (0,), rank=0)
    for name in ("rank_x", "rank_00001", "notes"):
        (tmp_path / "plugins/attn_monitor" / name).mkdir()
    (tmp_path / rank_folder(7)).mkdir()  # started, nothing described yet
    assert open_run(tmp_path).problems == ()
