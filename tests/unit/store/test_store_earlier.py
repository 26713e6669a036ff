"""Recordings that earlier versions left on a disk, kept as files: still read as what they were.

`recording_of_schema_1.zip` is of the first release; `recording_with_checksums.zip` of the version
that seals descriptions and lines, and holds every form that a map can have. Run as a script, this
makes it; it is not to be made again, since what must be read is what was written then.
"""

import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from recordings import METRICS, encoder_info, record

from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.core.kept import Kept, stretch_edges
from attn_monitor.core.mask_audit import MaskAudit, MaskCheck
from attn_monitor.core.nouns import PatchImage, Tokens
from attn_monitor.core.remarks import Reading
from attn_monitor.store import MapWindow, RunWriter, Thumbnail, open_run, verify_run
from attn_monitor.store.remark_lines import audit_fields, reading_fields

DATA = Path(__file__).parents[2] / "data" / "recording_with_checksums.zip"
STEPS = (0, 5)
AUDIT = MaskAudit(
    checks=(
        MaskCheck(rule="future", reader="tokens", read="tokens", said_by="is_causal", pairs=6,
                  leaks=1, query=1, key=2, size=0.5, first="layers.0"),
    )
)  # fmt: skip
READING = Reading(step=3, heads={"encoder": np.arange(24, dtype="f4").reshape(4, 2, 3) / 8})
IMAGE = PatchImage(rows=1, columns=2, side=2, channels=1, pixels=bytes(range(8)))


def description():
    info = encoder_info(lengths=(4, 7, 3))
    words, long, patches = info.probes
    named = Tokens(text=words.source.text, special=(0,), values=("", "1", "2.5", "x"))
    return replace(
        info,
        probes=(replace(words, source=named, title="a title"), long,
                replace(patches, source=replace(patches.source, image=IMAGE))),
        outputs=METRICS[:1],
        classes=ClassLayer(names=("no", "yes"), method="linear_mean"),
        kept=(Kept(probe=0, form="whole", vectors=True), Kept(probe=1, form="window", window=4,
              cells=3), Kept(probe=2, form="whole")),
    )  # fmt: skip


def content(info, step):
    whole, rng = record(info, step, vectors=True), np.random.default_rng(step)
    maps, edges = dict(whole.attention["encoder"]), stretch_edges(7, 3)
    large = maps.pop(1)
    cells = np.add.reduceat(np.add.reduceat(large, edges[:-1], axis=3), edges[:-1], axis=2)
    cells /= np.diff(edges)[:, None]
    coarse = Thumbnail(
        cells=cells, layers=(0, 1), heads=(0, 1, 2), query_edges=edges, key_edges=edges
    )
    return replace(
        whole,
        attention={"encoder": maps},
        vectors={"encoder": {0: whole.vectors["encoder"][0]}},
        windows={"encoder": {1: MapWindow(attn=large[..., :4, :4])}},
        thumbnails={"encoder": {1: coarse}},
        outputs=rng.random((3, 1)),
        classes={
            probe.index: ClassAnswer(
                scores=rng.random(2).astype("f4"),
                contributions=rng.random((len(probe.source), 2)).astype("f4"),
            )
            for probe in info.probes
        },
    )


def make(file):
    with tempfile.TemporaryDirectory() as folder:
        with RunWriter(folder, description()) as writer:
            writer.remark(audit_fields(AUDIT))
            writer.remark(reading_fields(READING))
            for step in STEPS:
                writer.write(content(description(), step))
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).rglob("*")):
                archive.write(path, path.relative_to(folder))


def test_every_form_of_a_kept_recording_is_read_as_what_was_written(tmp_path):
    zipfile.ZipFile(DATA).extractall(tmp_path)
    run, info = open_run(tmp_path), description()
    assert (run.steps, run.problems) == (STEPS, ())
    assert (run.probes, run.classes) == (info.probes, info.classes)
    assert run.remarks.audit == AUDIT
    np.testing.assert_array_equal(
        run.remarks.readings[0].heads["encoder"], READING.heads["encoder"]
    )
    for step in STEPS:
        truth, at = content(info, step), STEPS.index(step)
        for probe in info.probes:
            numbers = run.metric_values(part="encoder", probe=probe.index)[at]
            np.testing.assert_array_equal(
                numbers, truth.metrics["encoder"][probe.index].astype("f4")
            )
            answer, there = run.class_answer(step=step, probe=probe.index), probe.index
            np.testing.assert_array_equal(answer.scores, truth.classes[there].scores)
            np.testing.assert_array_equal(answer.contributions, truth.classes[there].contributions)
        where = {"step": step, "part": "encoder", "layer": 1}
        for probe in (0, 2):
            np.testing.assert_allclose(
                run.attention(probe=probe, **where), truth.attention["encoder"][probe][1], atol=5e-3
            )
        window, coarse = run.window(probe=1, **where), run.thumbnail(probe=1, **where)
        np.testing.assert_allclose(window.attn, truth.windows["encoder"][1].attn[1], atol=5e-3)
        np.testing.assert_allclose(coarse.cells, truth.thumbnails["encoder"][1].cells[1], atol=5e-3)
        found = run.vectors(step=step, part="encoder", layer=1, head=2)
        for name in ("query", "key", "value"):
            np.testing.assert_allclose(
                getattr(found, name), getattr(truth.vectors["encoder"][0], name)[1, 2], atol=5e-3
            )
        np.testing.assert_allclose(run.outputs("row_entropy")[at], truth.outputs[:2, 0], rtol=1e-6)
    verified = verify_run(tmp_path)
    assert (verified.whole, verified.unchecked, verified.problems) == (STEPS, (), ())


if __name__ == "__main__":
    make(sys.argv[1])
