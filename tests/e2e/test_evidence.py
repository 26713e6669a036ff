"""Where weights come from: from a model of all kinds, through run.json, to the tab's words."""

import json
import re

import pytest
import torch
from playwright.sync_api import expect
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from attn_monitor import AttentionRecorder, open_run
from attn_monitor.capture.kernels import forget_kernel, register_kernel
from attn_monitor.store.names import rank_folder
from tests.e2e.conftest import serve
from tests.tiny_lightning import WORDS, loaders, words

HEADS, WIDTH = 2, 16


def shifted_kernel(q, k, v):
    """Stand in for an extension whose output is not its weights times its values."""
    mixed = scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)))
    return torch.from_numpy(mixed.transpose(1, 2).detach().numpy() + 1)


class Attend(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind, self.project = kind, nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x):
        q, k, v = self.project(x).unflatten(-1, (3, HEADS, -1)).unbind(2)
        if self.kind == "extension":
            return x + shifted_kernel(q, k, v).flatten(2)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        if self.kind == "fused":
            mixed = scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) @ v
        return x + mixed.transpose(1, 2).flatten(2)


class LinearAttention(nn.Module):
    """Weighs no keys, so there is nothing to show."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x):
        q, k, v = self.project(x).exp().chunk(3, -1)
        return x + q @ (k.mT @ v) / (q @ k.sum(1, keepdim=True).mT)


class Model(nn.Module):
    def __init__(self, *kinds):
        super().__init__()
        self.embed = nn.Embedding(len(WORDS), WIDTH)
        blocks = (LinearAttention() if kind == "linear" else Attend(kind) for kind in kinds)
        self.layers = nn.Sequential(*blocks)

    def forward(self, ids):
        return self.layers(self.embed(ids)).mean(1)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evidence")
    torch.manual_seed(0)
    register_kernel(shifted_kernel)
    kinds = {"fused": ("fused", "fused"), "mixed": ("written", "fused", "extension", "linear")}
    for name, layers in kinds.items():
        few = {"probes": 2, "train_probes": 0, "lens_sentences": 0, "tokens": words}
        with AttentionRecorder(
            Model(*layers), loaders()[1], log_dir=folder / name, **few
        ) as recorder:
            recorder.record(step=0, epoch=0)
    forget_kernel(shifted_kernel)
    return folder


@pytest.fixture(scope="module")
def address(logdir):
    with serve(logdir) as url:
        yield url


def test_the_recording_says_for_each_layer_how_its_weights_were_obtained(logdir):
    written, fused, extension = open_run(logdir / "mixed").part("encoder").layers
    assert (written.evidence, written.error) == ("model", 0.0)
    assert fused.evidence == "verified"
    assert 0 <= fused.error < 1e-5
    assert extension.evidence == "unverified"
    assert extension.error == pytest.approx(1, abs=1e-5)
    described = json.loads((logdir / "fused" / rank_folder(0) / "run.json").read_text())
    (part,) = described["parts"]
    assert [layer["evidence"] for layer in part["layers"]] == ["verified", "verified"]


def evidence_in(tab):
    line = tab.wait_until_drawn().frame.locator(".evidence", has_text="Weights")
    return line.inner_text(), line.get_attribute("title"), line.get_attribute("class")


def test_the_tab_shows_a_fused_model_as_recomputed_and_verified_with_its_error(address, open_tab):
    tab = open_tab(address, fragment="#attn_monitor&p.attn_monitor.run=fused")
    text, detail, look = evidence_in(tab)
    assert re.fullmatch(
        r"Weights: recomputed and verified, (exact|error \de\N{MINUS SIGN}\d+)", text
    )
    assert "Layer 2, layers.1: recomputed and verified" in detail
    assert "weak" not in look
    expect(tab.frame.get_by_text("Words: followed from the batch")).to_be_visible()
    checked = tab.frame.get_by_text("Training untouched: checked at 1 step")
    expect(checked).to_be_visible()
    assert "optimizer, random state" in checked.get_attribute("title")


def test_the_tab_warns_of_the_weakest_layer_and_names_every_one(address, open_tab):
    tab = open_tab(address, fragment="#attn_monitor&p.attn_monitor.run=mixed")
    text, detail, look = evidence_in(tab)
    assert text == "Weights: 1 of 3 layers unverified"
    assert (
        detail.splitlines()[0]
        == "Layer 1, layers.0: model\N{RIGHT SINGLE QUOTATION MARK}s own tensor"
    )
    assert detail.splitlines()[2] == "Layer 3, layers.2: unverified"
    assert "weak" in look


def test_the_tab_names_the_layers_that_have_no_maps_and_why(address, open_tab):
    tab = open_tab(address, fragment="#attn_monitor&p.attn_monitor.run=mixed")
    line = tab.wait_until_drawn().frame.locator(".evidence", has_text="Not captured")
    expect(line).to_have_text("Not captured: 1 layer, no softmax over keys", use_inner_text=True)
    assert line.get_attribute("title").startswith(
        "layers.3 (LinearAttention): no softmax over keys"
    )
    tab = open_tab(address, fragment="#attn_monitor&p.attn_monitor.run=fused")
    expect(tab.wait_until_drawn().frame.get_by_text("Not captured")).to_have_count(0)
