import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import encoder_info, record

from attn_monitor.core.errors import NotRecordedError
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.names import rank_folder
from attn_monitor.store.retention import steps_to_thin

SIZES = st.dictionaries(st.integers(0, 10**6), st.integers(1, 100), min_size=1, max_size=40)


@given(SIZES, st.integers(0, 2000))
def test_thinning_fits_the_budget_and_keeps_the_first_and_the_last_step(sizes, budget):
    victims = steps_to_thin(sizes, budget=budget)
    kept = sorted(set(sizes) - set(victims))
    assert {min(sizes), max(sizes)} <= set(kept)
    assert len(set(victims)) == len(victims)
    assert len(kept) <= 2 or sum(sizes[step] for step in kept) <= budget


@given(SIZES)
def test_nothing_goes_while_the_budget_lasts(sizes):
    assert steps_to_thin(sizes, budget=sum(sizes.values())) == ()


def test_kept_steps_are_even_on_a_logarithmic_axis():
    sizes = dict.fromkeys(range(0, 10_000, 10), 1)
    kept = sorted(set(sizes) - set(steps_to_thin(sizes, budget=20)))
    gaps = np.diff([math.log1p(step) for step in kept[1:]])
    assert len(kept) == 20
    assert gaps.max() < 3 * gaps.min()


def test_steps_arriving_one_by_one_stay_even_on_a_logarithmic_axis():
    living: dict[int, int] = {}
    for step in range(0, 20_000, 10):
        living[step] = 1
        for victim in steps_to_thin(living, budget=20):
            del living[victim]
    kept = sorted(living)
    assert (kept[0], kept[-1], len(kept)) == (0, 19_990, 20)
    assert np.diff([math.log1p(step) for step in kept]).max() < 3.0


def test_a_budget_thins_maps_and_never_metrics(tmp_path):
    info = encoder_info(lengths=(8, 8))
    size = 0
    with RunWriter(tmp_path, info) as writer:
        writer.write(record(info, 0))
        (file,) = tmp_path.rglob("*.zarr.zip")
        size = file.stat().st_size
    with RunWriter(tmp_path, info, budget_mb=4.5 * size / 1e6) as writer:
        for step in range(0, 100, 10):
            writer.write(record(info, step))
    run = open_run(tmp_path)
    assert run.steps == tuple(range(0, 100, 10))
    readable = [step for step in run.steps if run.has_maps(step)]
    assert len(readable) == 4
    assert (readable[0], readable[-1]) == (0, 90)
    assert run.problems == ()
    assert not np.isnan(run.metric("prev", part="encoder")).any()
    assert len(list((tmp_path / rank_folder(0) / "steps").iterdir())) == 4
    thinned = next(step for step in run.steps if not run.has_maps(step))
    assert run.why_no_maps(thinned) == "thinned"
    assert {run.why_no_maps(step) for step in run.steps if run.has_maps(step)} == {None}
    with pytest.raises(NotRecordedError, match=f"maps of step {thinned} were given up to the"):
        run.attention(step=thinned, probe=0, part="encoder", layer=0)
    with pytest.raises(NotRecordedError, match="has no query and key vectors"):
        run.vectors(step=thinned, part="encoder", layer=0, head=0)


def test_steps_recorded_before_a_resume_are_thinned_and_not_called_unreadable(tmp_path):
    info = encoder_info()
    with RunWriter(tmp_path, info, budget_mb=0.02) as writer:
        for step in range(4):
            writer.write(record(info, step))
    with RunWriter(tmp_path, info, resume_step=3, budget_mb=0.02) as writer:
        for step in range(4, 14):
            writer.write(record(info, step))
    run = open_run(tmp_path)
    assert len(run.steps) == 14
    assert run.problems == ()
    assert sum(run.has_maps(step) for step in run.steps) < 8
