"""Words of models that lose the codes of the batch: found by changing it, or called unknown."""

import numpy as np
import pytest
import torch
from torch import nn

from attn_monitor.monitor.batches import describe_any
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.layout import find_layout
from attn_monitor.monitor.probes import ProbeBatch

IDS = (torch.randperm(40, generator=torch.Generator().manual_seed(0))[:24] + 1).reshape(4, 6)


def encoder(layers=2):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    return nn.TransformerEncoder(layer, layers).eval()


class Lost(nn.Module):
    """Ids reach the encoder where nothing can follow them, after ``order`` was applied."""

    def __init__(self, order=lambda ids: ids, mixing=False):
        super().__init__()
        torch.manual_seed(0)
        self.order, self.mixing = order, mixing
        self.weight = nn.Parameter(torch.randn(64, 16))
        self.place = nn.Parameter(torch.randn(1, 12, 16))
        self.encoder = encoder()

    def forward(self, ids):
        numbers = self.order(ids.numpy())
        x = torch.from_numpy(np.eye(64, dtype=np.float32)[numbers]) @ self.weight
        x = x + self.place[:, : x.shape[1]]
        if self.mixing:
            x = x + x.roll(1, 1)
        return self.encoder(x)


def layout_of(model, batch):
    tokens = describe_any(batch)
    probes = ProbeBatch(split="val", batch=batch, tokens=tokens, rows=tuple(range(len(tokens))))
    with torch.no_grad():
        return find_layout(model, [probes], model, tokens=None, failures=Failures())


def test_rows_and_words_are_found_by_trying():
    layout = layout_of(Lost(), IDS)
    (part,) = layout.parts
    assert (part.rows, part.words, len(part.layers)) == ("tried", "tried", 2)
    for probe, row in zip(layout.probes, IDS.tolist(), strict=True):
        assert probe.source.text == tuple(map(str, row))


@pytest.mark.parametrize(
    ("order", "shown"),
    [
        (lambda ids: ids[::-1].copy(), IDS),
        (lambda ids: ids[:, ::-1].copy(), IDS.flip(1)),
        (lambda ids: ids[[2, 0, 3, 1]], IDS),
        (lambda ids: ids[:, 2:], IDS[:, 2:]),
    ],
    ids=["rows backwards", "tokens backwards", "rows shuffled", "tokens cut"],
)
def test_each_map_is_under_its_own_words_in_any_order(order, shown):
    layout = layout_of(Lost(order), IDS)
    assert [probe.source.text for probe in layout.probes] == [
        tuple(map(str, row)) for row in shown.tolist()
    ]
    placed = order(np.arange(4)[:, None].repeat(6, 1))[:, 0].tolist()
    for pieces in layout.pieces[0].values():
        for piece in pieces:
            assert placed[piece.matrices[0] // 2] == piece.probe


def test_tokens_that_are_mixed_before_attention_are_unknown_and_rows_are_not():
    (part,) = (layout := layout_of(Lost(mixing=True), IDS)).parts
    assert (part.rows, part.words) == ("tried", "position")
    assert layout.probes[0].source.text == tuple(f"#{at}" for at in range(6))


class Noisy(Lost):
    """Answers otherwise each time."""

    def forward(self, ids):
        x = torch.from_numpy(np.eye(64, dtype=np.float32)[ids.numpy()]) @ self.weight
        return self.encoder(x + torch.randn(x.shape))


def test_a_model_that_moves_by_itself_proves_nothing():
    (part,) = layout_of(Noisy(), IDS).parts
    assert (part.rows, part.words) == ("position", "position")


class Numbers(nn.Module):
    """A batch without ids, its rows turned round where nothing can follow them."""

    def __init__(self):
        super().__init__()
        self.enter, self.encoder = nn.Linear(1, 16), encoder(1)

    def forward(self, series):
        turned = torch.from_numpy(series.numpy()[::-1].copy())
        return self.encoder(self.enter(turned[..., None]))


def test_rows_without_ids_are_found_by_trying():
    layout = layout_of(Numbers().eval(), torch.randn(4, 5))
    (part,) = layout.parts
    assert (part.rows, part.words) == ("tried", "position")
    (pieces,) = layout.pieces[0].values()
    assert [piece.matrices[0] // 2 for piece in pieces] == [3, 2, 1, 0]
