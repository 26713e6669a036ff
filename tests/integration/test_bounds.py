"""Long sentences under a byte budget, from the model to what `open_run` reads back."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from attn_monitor import capture, open_run
from attn_monitor.analysis import compute_metrics
from attn_monitor.core.errors import NotRecordedError
from attn_monitor.core.kept import Kept
from attn_monitor.core.maps import Maps
from attn_monitor.monitor.failures import AttentionMonitorWarning, Failures
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.monitor.probes import draw
from attn_monitor.monitor.session import Session
from tests.tiny_lightning import WORDS, collate, words

LAYERS, HEADS, WIDTH = 3, 2, 16
LONG, SHORT = 300, 40
THUMBNAIL, CORNER = LAYERS * HEADS * 60 * 62, LAYERS * HEADS * 128 * 130
WHOLE = LAYERS * HEADS * SHORT * (SHORT + 2)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), WIDTH, padding_idx=0)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)

    def forward(self, ids):
        return self.encoder(self.embed(ids), src_key_padding_mask=ids == 0)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Encoder().eval()
    for parameter in model.parameters():
        parameter.data *= 3  # attention far from even
    return model


def sentences(*sizes):
    generator = torch.Generator().manual_seed(1)
    rows = [(torch.randint(2, len(WORDS), (size,), generator=generator), 0) for size in sizes]
    loader = DataLoader(rows, batch_size=len(rows), collate_fn=collate)
    return draw(loader, split="val", count=len(rows), options=MonitorOptions(tokens=words))


@pytest.fixture
def batches():
    return sentences(LONG, SHORT, LONG - 1)


def record(tmp_path, model, batches, *, budget):
    failures = Failures()
    session = Session(
        model=model,
        batches=batches,
        replay=lambda batch: model(batch[0]),
        run_dir=str(tmp_path),
        writer=None,
        options=MonitorOptions(budget_mb=budget / 1e6, tokens=words),
        failures=failures,
    )
    session.record(step=0, epoch=0, scalars={})
    session.close()
    return open_run(tmp_path), failures


def truth(model, batches):
    """Maps of every probe, [layer, head, query, key], from the model itself."""
    (batch,) = batches
    with torch.no_grad(), capture(model) as attention:
        model(batch.batch[0])
    part = attention["encoder"]
    stacked = np.stack([part.weights(layer).numpy() for layer in range(LAYERS)])
    sizes = [len(ids) for ids in batch.tokens.source.ids]
    return [stacked[:, row, :, :size, :size] for row, size in enumerate(sizes)]


@pytest.mark.parametrize("largest", [1, 1 << 22])
def test_each_sentence_keeps_what_fits_and_reads_back_as_what_it_is(
    tmp_path, model, batches, monkeypatch, largest
):
    monkeypatch.setattr("attn_monitor.monitor.view.LARGEST_LAYER", largest)
    monkeypatch.setattr("attn_monitor.core.maps.BLOCK_WEIGHTS", 7 * HEADS * LONG)
    budget = 2 * THUMBNAIL + WHOLE + CORNER
    run, _ = record(tmp_path, model, batches, budget=budget)
    maps = truth(model, batches)
    lengths = [m.shape[-1] for m in maps]
    assert sorted(lengths) == [SHORT, LONG - 1, LONG]
    short, (first, second) = lengths.index(SHORT), [i for i in range(3) if lengths[i] != SHORT]
    assert run.kept(short) == Kept(probe=short, form="whole")
    assert run.kept(first) == Kept(probe=first, form="window", window=128, cells=64)
    assert run.kept(second) == Kept(probe=second, form="thumbnail", cells=64)
    for layer in range(LAYERS):
        place = {"step": 0, "part": "encoder", "layer": layer}
        read = run.attention(probe=short, **place)
        np.testing.assert_allclose(read, maps[short][layer], atol=0.005)
        corner = run.window(probe=first, **place)
        assert (corner.query_start, corner.key_start) == (0, 0)
        np.testing.assert_allclose(corner.attn, maps[first][layer][:, :128, :128], atol=0.005)
        for probe in (first, second):
            small = run.thumbnail(probe=probe, **place)
            assert small.query_edges[-1] == lengths[probe]
            cell = maps[probe][layer][
                :, small.query_edges[3] : small.query_edges[4], : small.key_edges[1]
            ]
            np.testing.assert_allclose(
                small.cells[:, 3, 0], cell.sum(axis=2).mean(axis=1), atol=0.005
            )
            with pytest.raises(NotRecordedError, match=r"Run\.thumbnail\(\)"):
                run.attention(probe=probe, **place)


@pytest.mark.parametrize("largest", [1, 1 << 22])
def test_metrics_of_every_sentence_come_from_the_original_floats(
    tmp_path, model, batches, monkeypatch, largest
):
    monkeypatch.setattr("attn_monitor.monitor.view.LARGEST_LAYER", largest)
    run, _ = record(tmp_path, model, batches, budget=THUMBNAIL)
    names = [spec.name for spec in run.metrics]
    for probe, maps in enumerate(truth(model, batches)):
        for layer in range(LAYERS):
            special = run.probes[probe].source.special
            expected = compute_metrics(Maps(attn=maps[layer], special=special))
            found = run.metric_values(part="encoder", probe=probe)[0, layer]
            sizes = slice(names.index("logit_max"), None)  # of vectors and scores, not of maps
            assert np.isfinite(found[:, sizes]).all()
            np.testing.assert_allclose(
                found[:, : sizes.start], expected[:, : sizes.start], atol=2e-6
            )


def test_a_budget_below_one_thumbnail_keeps_fewer_layers_and_says_which(tmp_path, model):
    batches = sentences(LONG)
    run, failures = record(tmp_path, model, batches, budget=THUMBNAIL * 2 // 3)
    assert run.kept(0) == Kept(probe=0, form="thumbnail", cells=64, layers=2)
    assert failures.count == 0
    for layer in (0, 2):
        small = run.thumbnail(step=0, probe=0, part="encoder", layer=layer)
        first = truth(model, batches)[0][layer][:, : small.query_edges[1], : small.key_edges[1]]
        np.testing.assert_allclose(small.cells[:, 0, 0], first.sum(2).mean(1), atol=0.005)
    with pytest.raises(NotRecordedError, match=r"layers \[0, 2\] .* not of layer 1"):
        run.thumbnail(step=0, probe=0, part="encoder", layer=1)


def test_a_budget_that_holds_nothing_is_said_once_and_metrics_are_recorded(
    tmp_path, model, batches
):
    with pytest.warns(AttentionMonitorWarning, match="not even one head's coarse map fits"):
        run, failures = record(tmp_path, model, batches, budget=100)
    assert failures.count == 1
    assert {run.kept(probe.index).form for probe in run.probes} == {"metrics"}
    assert np.isfinite(run.metric("row_entropy", part="encoder")).all()
    with pytest.raises(NotRecordedError, match=r"step 0 has no maps of probe 0 in part 'encoder'$"):
        run.attention(step=0, probe=0, part="encoder", layer=0)
