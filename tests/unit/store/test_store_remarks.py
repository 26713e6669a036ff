"""What is said beside the steps: written, read back, rolled back, refused where it is hostile."""

import json

import numpy as np
import pytest

from attn_monitor.core.mask_audit import MaskAudit, MaskCheck
from attn_monitor.core.remarks import Reading
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.checksum import sealed
from attn_monitor.store.names import COMMITS_FILE, rank_folder
from attn_monitor.store.remark_lines import MOST_READINGS, RemarkLines, audit_fields, reading_fields
from tests.recordings import encoder_info, record

INFO = encoder_info()
AUDIT = MaskAudit(
    checks=(
        MaskCheck(
            rule="document",
            reader="tokens",
            read="tokens",
            said_by="position_ids",
            pairs=332,
            leaks=166,
            query=5,
            key=0,
            size=0.17,
            first="layers.0.out",
        ),
    )
)


def reading(step, *, layers=2, heads=3):
    values = np.random.default_rng(step).normal(size=(4, layers, heads)).astype(np.float32)
    values[1, 0, 0] = np.nan
    return Reading(step=step, heads={"encoder": values})


def test_what_is_said_is_read_back_and_follows_a_resume(tmp_path):
    with RunWriter(tmp_path, INFO) as writer:
        writer.remark(audit_fields(AUDIT))
        for step in (0, 50, 100):
            writer.remark(reading_fields(reading(step)))
        writer.write(record(INFO, 0))
        writer.write(record(INFO, 100))
    run = open_run(tmp_path)
    assert run.remarks.audit == AUDIT
    assert [r.step for r in run.remarks.readings] == [0, 50, 100]
    for found in run.remarks.readings:
        np.testing.assert_allclose(
            found.heads["encoder"], reading(found.step).heads["encoder"], rtol=1e-4
        )
    with RunWriter(tmp_path, INFO, resume_step=60) as writer:
        writer.remark(reading_fields(reading(70)))
    assert run.refresh()
    assert [r.step for r in run.remarks.readings] == [0, 50, 70]
    assert run.remarks.audit == AUDIT
    RunWriter(tmp_path, INFO).close()
    run.refresh()
    assert (run.remarks.audit, run.remarks.readings) == (None, ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"op": "audit", "checks": 3, "unknown": ""},
        {"op": "audit", "checks": [{"rule": "gravity"}], "unknown": ""},
        {"op": "reading", "step": 1, "heads": {"encoder": [[[1.0]]]}},
        {"op": "reading", "step": 1, "heads": {"encoder": [[[1.0], [1.0, 2.0]]] * 4}},
        {"op": "reading", "step": 1, "heads": {"encoder": [[[None]]] * 4}},
    ],
)
def test_lines_that_make_no_sense_are_named_and_left_out(wrong, tmp_path):
    with RunWriter(tmp_path, INFO) as writer:
        writer.write(record(INFO, 0))
        writer.remark(reading_fields(reading(0)))
    log = tmp_path / rank_folder(0) / COMMITS_FILE
    line = sealed(json.dumps({**wrong, "attempt": 0, "time": 0.0}).encode())
    log.write_bytes(log.read_bytes() + line + b"\n")
    run = open_run(tmp_path)
    assert run.steps == (0,)
    assert len(run.remarks.readings) == 1
    assert any(COMMITS_FILE in problem for problem in run.problems)


def test_readings_of_a_long_training_are_thinned_and_the_newest_stays():
    lines = RemarkLines()
    for step in range(MOST_READINGS + 1):
        lines.take("reading", reading_fields(reading(step, layers=1, heads=1)))
    kept = [r.step for r in lines.remarks().readings]
    assert len(kept) <= MOST_READINGS // 2 + 1
    assert kept[-1] == MOST_READINGS
