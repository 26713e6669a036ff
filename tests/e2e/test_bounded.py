"""Sentences too long for the byte budget: the tab shows what was kept and says what that is."""

import pytest
import torch
from torch import nn

from attn_monitor import AttentionRecorder, open_run
from tests.e2e.conftest import serve

TOKENS, LAYERS, HEADS, WIDTH = 300, 2, 4, 32
COARSE = LAYERS * HEADS * 60 * 62  # bytes of one sentence's coarse maps, 5 tokens to a cell
CORNER = LAYERS * HEADS * 64 * 66


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 64, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.classify = nn.Linear(WIDTH, 2)

    def forward(self, ids):
        return self.classify(self.encoder(self.embed(ids)).mean(1))


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounded")
    torch.manual_seed(0)
    batch = (torch.randint(2, 100, (2, TOKENS)), torch.zeros(2, dtype=torch.long))
    few = {"probes": 2, "train_probes": 0, "lens_sentences": 0}
    budget = (2 * COARSE + CORNER) / 1e6
    with AttentionRecorder(
        Model(), [batch], log_dir=folder / "run", budget_mb=budget, **few
    ) as recorder:
        recorder.record(step=0, epoch=0)
    return folder


@pytest.fixture(scope="module")
def address(logdir):
    with serve(logdir) as url:
        yield url


def bar_of(tab):
    return tab.wait_until_drawn().frame.locator(".window-bar").inner_text()


def test_of_one_sentence_a_window_is_shown_and_of_the_next_its_coarse_maps(
    logdir, address, open_tab
):
    run = open_run(logdir / "run")
    assert [run.kept(probe).form for probe in (0, 1)] == ["window", "thumbnail"]
    window = open_tab(address, fragment="#attn_monitor&p.attn_monitor.probe=0")
    assert "first 64 of 300 recorded" in bar_of(window)
    coarse = open_tab(address, fragment="#attn_monitor&p.attn_monitor.probe=1")
    bar = bar_of(coarse)
    assert f"coarse maps of all {TOKENS} tokens, 5 to a mark: too long for budget_mb" in bar
    assert all("merge=5" in url for url in coarse.requests if "/attention?" in url)
