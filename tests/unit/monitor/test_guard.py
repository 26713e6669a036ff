import collections
import itertools
import random
import threading
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from attn_monitor.capture import capture
from attn_monitor.monitor.guard import Guard, untouched
from attn_monitor.monitor.noted_tensors import TensorNote
from attn_monitor.monitor.states import CannotPutBackError


class Careless(nn.Module):
    """Does to itself everything that a validation_step might do."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("seen", torch.zeros(1))
        self.count = 0
        self.outputs = [torch.ones(2)]
        self.totals = {"loss": [1.0], "shared": None}
        self.totals["shared"] = self.outputs
        self.names = {"a"}

    def forward(self, x):
        self.norm.train()
        y = self.norm(x) + torch.rand(1)
        self.seen += 1
        self.seen = torch.full((4,), 5.0)
        self.count += 1
        self.outputs[0] += 1
        self.outputs.append(y)
        self.totals["loss"].append(2.0)
        self.names.add("b")
        self.new = 1
        random.random()
        np.random.rand()
        return y


def test_everything_a_forward_pass_changes_is_put_back():
    model = Careless()
    model.norm.eval()
    model.train(mode=True)
    model.norm.training = False
    outputs, seen = model.outputs, model.seen
    state = {k: v.clone() for k, v in model.state_dict().items()}
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    with untouched(model):
        assert not model.training
        assert not torch.is_grad_enabled()
        model(torch.randn(5, 3))
        assert model.count == 1
    after = (random.random(), np.random.rand(), torch.rand(1))
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    assert after == (random.random(), np.random.rand(), torch.rand(1))
    assert model.training
    assert not model.norm.training
    assert model.count == 0
    assert model.outputs is outputs
    assert model.seen is seen
    assert len(outputs) == 1
    assert torch.equal(outputs[0], torch.ones(2))
    assert model.totals == {"loss": [1.0], "shared": outputs}
    assert model.totals["shared"] is outputs
    assert model.names == {"a"}
    assert not hasattr(model, "new")
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_what_was_shared_stays_shared_while_lent():
    model = Careless()
    with untouched(model):
        assert model.totals["shared"] is model.outputs


def test_the_model_is_put_back_when_the_forward_pass_raises():
    model = Careless()
    try:
        with untouched(model):
            model.outputs.append(0)
            raise RuntimeError
    except RuntimeError:
        pass
    assert model.training
    assert len(model.outputs) == 1


def test_inference_tensors_can_be_updated_in_the_pass_and_are_left_alone():
    model = Careless()
    with torch.inference_mode():
        model.outputs = [torch.ones(2)]
        with untouched(model):
            assert not torch.is_inference_mode_enabled()
            model.outputs[0] += 1
    assert model.outputs[0].is_inference()
    assert model.outputs[0].tolist() == [1.0, 1.0]


class Writing(nn.Module):
    """Writes to its large weights in a pass, in one of the ways there are."""

    def __init__(self, how):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(90_000.0).view(300, 300))
        self.register_buffer("table", torch.ones(300, 300))
        self.cache = {"scores": torch.zeros(300, 300)}
        self.how = how

    def forward(self, x):
        if self.how is not None:
            self.how(self)
        return x @ self.weight


def put_elsewhere(model):
    model.weight.data = model.weight.data * 2
    model.weight.data[0] = 7


WRITES = {
    "in place": lambda model: model.weight.mul_(2),
    "past its counter": lambda model: model.weight.data.mul_(2),
    "a view": lambda model: model.weight.view(-1)[5:9].fill_(3),
    "as an output": lambda model: torch.mul(model.table, 2, out=model.table),
    "many at once": lambda model: torch._foreach_add_([model.table, model.cache["scores"]], 1.0),
    "other memory": put_elsewhere,
}


@pytest.mark.parametrize("name", WRITES)
def test_large_tensors_are_copied_when_something_is_about_to_write_to_them(name):
    model = Writing(None)
    guard = Guard(model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    places = {k: (v.data_ptr(), v._version) for k, v in model.state_dict().items()}
    with guard.untouched(), capture(model, verify=False):
        model(torch.ones(2, 300))
    assert not guard.moved
    model.how = WRITES[name]
    for _ in range(2):  # the first time it is not yet known what is written to
        with guard.untouched(), capture(model, verify=False):
            model(torch.ones(2, 300))
        assert guard.moved
        assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
        assert places == {k: (v.data_ptr(), v._version) for k, v in model.state_dict().items()}
        assert not model.cache["scores"].any()


def test_what_is_written_past_torch_is_put_back_where_the_first_replay_showed_it():
    model = Writing(lambda model: model.table.numpy().fill(5))
    guard = Guard(model)
    for _ in range(3):
        with guard.untouched(), capture(model, verify=False):
            model(torch.ones(2, 300))
        assert bool((model.table == 1).all())
    assert guard.moved == {"model.table"}


def test_no_large_tensor_is_copied_without_need(monkeypatch):
    model = Writing(None)
    guard = Guard(model)
    with guard.untouched():
        pass
    copies = []
    monkeypatch.setattr(TensorNote, "copy", lambda note: copies.append(note._tensor.shape))
    with guard.untouched(), capture(model, verify=False):
        model(torch.ones(2, 300))
    assert copies == []


def test_tensors_of_odd_strides_are_compared_and_put_back():
    memory = torch.randn(40)
    model = nn.Module()
    # An axis of length 1 may have any stride, and the whole is contiguous all the same.
    for at, (shape, strides) in enumerate([((1, 4), (1, 1)), ((3, 1), (1, 5)), ((1, 1), (1, 3))]):
        model.register_buffer(f"odd{at}", memory.as_strided(shape, strides, 10 * at))
    before = memory.clone()
    with untouched(model):
        model.odd1.add_(1)
    assert torch.equal(memory, before)


ONE_WAY = {
    "a generator": lambda: (number for number in range(9)),
    "zip": lambda: zip(range(9), range(9), strict=True),
    "a cycle": lambda: itertools.cycle([1, 2, 3]),
    "a loader's": lambda: iter(DataLoader(range(9))),
}


def as_closure(iterator):
    return lambda: next(iterator)


def as_slot(iterator):
    slotted = Slotted()
    slotted.held = iterator
    return slotted


class Slotted:
    __slots__ = ("held",)


class Pair(NamedTuple):
    name: str
    batches: object


# How an iterator is held, and how the step takes from it.
HOLDERS = {
    "an attribute": (lambda i: i, next),
    "a dict": (lambda i: {"batches": i}, lambda held: next(held["batches"])),
    "a list": (lambda i: [i], lambda held: next(held[0])),
    "a deque": (lambda i: collections.deque([i]), lambda held: next(held[0])),
    "a tuple in a tuple": (lambda i: ((0, i),), lambda held: next(held[0][1])),
    "a named tuple": (lambda i: Pair("a", i), lambda held: next(held.batches)),
    "a slot": (as_slot, lambda held: next(held.held)),
    "a closure": (as_closure, lambda held: held()),
    "a partial call": (lambda i: partial(next, i), lambda held: held()),
    "its own method": (lambda i: i.__next__, lambda held: held()),
}


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("kind", ["zip", "a loader's"])
def test_an_iterator_is_not_moved_whatever_holds_it(kind, holder):
    put, take = HOLDERS[holder]
    model = nn.Linear(1, 1)
    model.held = before = put(ONE_WAY[kind]())
    with pytest.raises(CannotPutBackError, match="iterator"), Guard(model).untouched():
        take(model.held)
    assert model.held is before
    assert take(model.held) == next(ONE_WAY[kind]())


def test_another_thread_goes_on_taking_while_a_model_is_replayed():
    model = nn.Linear(1, 1)
    model.batches = zip(range(3))
    taken = []
    with Guard(model).untouched():
        thread = threading.Thread(target=lambda: taken.append(next(model.batches)))
        thread.start()
        thread.join()
    assert taken == [(0,)]
    assert next(model.batches) == (1,)


@pytest.mark.parametrize("kind", ONE_WAY)
def test_an_iterator_that_cannot_be_taken_back_is_not_moved(kind):
    """Held in each way, an iterator gives after a replay what an unwatched one gives first."""
    model = nn.Linear(1, 1)
    model.own = ONE_WAY[kind]()
    model.named = {"batches": ONE_WAY[kind]()}
    model.listed = [ONE_WAY[kind]()]

    def held():
        return model.own, model.named["batches"], model.listed[0]

    before = held()
    for at in range(3):
        with pytest.raises(CannotPutBackError, match="iterator"), Guard(model).untouched():
            next(held()[at])
    assert all(now is then for now, then in zip(held(), before, strict=True))
    first = next(ONE_WAY[kind]())
    assert [next(iterator) for iterator in held()] == [first] * 3


def test_what_a_users_function_sets_during_a_replay_is_kept():
    model = nn.Linear(2, 2)
    guard = Guard(model)
    told = guard.between_replays(lambda value: setattr(model, "stopped_at", value))
    thread = threading.Thread(target=told, args=(3,))
    with guard.untouched():
        thread.start()
        thread.join(0.2)
    thread.join()
    assert model.stopped_at == 3
