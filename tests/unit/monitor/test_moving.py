"""Copies of batches: whatever they are made of, nobody shares a tensor with them."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch
from transformers import BatchEncoding

from attn_monitor.monitor.moving import copied

Pair = namedtuple("Pair", "ids labels")
IDS = torch.arange(6).reshape(2, 3)


@dataclass(frozen=True)
class Frozen:
    ids: torch.Tensor
    name: str = "a"


@dataclass
class Nested:
    inner: Frozen
    lists: list


class Graph:
    def __init__(self):
        self.ids, self.device = IDS, "here"

    def to(self, device):
        self.device = device
        return self


@pytest.mark.parametrize(
    ("batch", "find"),
    [
        (IDS, lambda b: b),
        ([IDS, "word"], lambda b: b[0]),
        ((IDS, 3), lambda b: b[0]),
        (Pair(IDS, None), lambda b: b.ids),
        ({"input_ids": IDS, "text": ["a"]}, lambda b: b["input_ids"]),
        (OrderedDict(ids=IDS), lambda b: b["ids"]),
        (BatchEncoding({"input_ids": IDS}), lambda b: b["input_ids"]),
        (Frozen(IDS), lambda b: b.ids),
        (Nested(Frozen(IDS), [{"deep": (IDS,)}]), lambda b: b.lists[0]["deep"][0]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_tensors_are_copied_wherever_they_are_and_the_batch_keeps_its_class(batch, find):
    twin = copied(batch)
    assert type(twin) is type(batch)
    assert torch.equal(find(twin), IDS)
    assert find(twin) is not find(batch)
    find(twin).zero_()
    assert find(batch).sum() == 15


def test_an_object_that_can_move_itself_is_copied_and_moved():
    graph = Graph()
    twin = copied(graph, "meta")
    assert (twin.device, graph.device) == ("meta", "here")
    assert twin.ids is not graph.ids


def test_what_holds_no_tensors_is_kept_as_it_is():
    assert copied("word") == "word"
    assert copied(None) is None
