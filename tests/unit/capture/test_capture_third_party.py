"""Models of other packages, where they are installed."""

import pytest
import torch
from capture_oracles import captured
from third_party_models import THIRD_PARTY

from attn_monitor.capture import describe_missing

pytestmark = pytest.mark.filterwarnings("ignore")  # other packages' own warnings


@pytest.mark.parametrize("entry", THIRD_PARTY, ids=lambda e: f"{e.package}: {e.name}")
def test_a_third_party_model_is_captured_as_documented(entry):
    for module in entry.requires:
        pytest.importorskip(module)
    torch.manual_seed(0)
    model, inputs = entry.build()
    attention = captured(model, *inputs)
    assert {p.name: len(p.layers) for p in attention.arrangement} == entry.parts
    assert max((record.windows for record in attention.records), default=1) == entry.windows
    for record in attention.records:
        assert record.evidence in {"model", "verified"}
        assert record.error <= 1e-5
    if not entry.parts:
        assert "no softmax over keys" in describe_missing(model)
    if entry.own is not None:
        with torch.no_grad():
            weights = entry.own(model, inputs)
        assert len(weights) == len(attention.records)
        for record, truth in zip(attention.records, weights, strict=True):
            assert (record.weights() - truth).abs().max() <= 2e-7
