"""Masks that break in one state of the model only, or where a gradient says nothing."""

import itertools

import pytest
import torch
from masked_models import Masked, causal, padding, sentences
from torch import distributed, nn
from torch.testing._internal.distributed.fake_pg import FakeStore

from attn_monitor import audit_masks

SHORT = sentences(9, 5, 12)


def both(_, batch):
    return causal(batch) & padding(batch)


class Moody(Masked):
    """Forgets that it is causal in one of its states."""

    def __init__(self, state):
        super().__init__(lambda at, b: both(at, b) if self.is_well() else padding(b))
        self.state = state

    def is_well(self):
        return not {
            "training": self.training,
            "inference": not self.training and not torch.is_grad_enabled(),
            "": False,
        }[self.state]


@pytest.mark.parametrize("state", ["training", "inference", ""])
def test_a_mask_that_is_dropped_in_one_state_is_found_and_the_state_named(state):
    model = Moody(state).eval()
    audit = audit_masks(model, SHORT, mask="causal", replay=lambda m, b: m(b))
    assert audit.holds is (state == "")
    assert not any(module.training for module in model.modules())
    if state:
        [leak] = [check for check in audit.checks if check.leaks]
        assert (leak.rule, leak.during) == ("future", state)
        assert f"pairs leak during {state} alone: the output at token" in audit.sentence


@pytest.mark.parametrize("processes", [1, 2])
def test_training_mode_is_not_tried_where_other_processes_would_be_waited_for(processes):
    audit, passes = tried_in(processes)
    assert audit.holds is True
    assert set(passes) == ({False, True} if processes == 1 else {False})


def test_no_process_stops_sooner_than_another_that_it_shares_its_layers_with(monkeypatch):
    _, in_time = tried_in(2)
    monkeypatch.setattr("time.monotonic", itertools.count(0, 1000).__next__)
    audit, late = tried_in(2)
    assert audit.holds is True
    assert late == in_time
    assert len(tried_in(1)[1]) < len(late)


def tried_in(processes):
    """Return an audit as one of several processes makes it, and which passes were in training."""
    passes = []

    def replay(model, batch):
        passes.append(model.training)
        return model(batch)

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=processes)
    try:
        audit = audit_masks(Masked(both).eval(), SHORT, mask="causal", replay=replay)
    finally:
        distributed.destroy_process_group()
    return audit, passes


@pytest.mark.parametrize("masked", [True, False])
def test_projections_that_start_at_zero_hide_no_leak(masked):
    model = Masked(both if masked else lambda *_: None)
    for layer in model.layers:
        nn.init.zeros_(layer.out.weight)
        nn.init.zeros_(layer.out.bias)
    written = [(p.data_ptr(), p._version) for p in model.parameters()]
    audit = audit_masks(model, SHORT, mask="causal", replay=lambda m, b: m(b))
    assert audit.holds is masked
    assert written == [(p.data_ptr(), p._version) for p in model.parameters()]
    assert not model.layers[0].out.weight.any()


class ByHand(Masked):
    """A softmax of its own: of nothing it is not a number."""

    def __init__(self, masks):
        super().__init__(masks)
        for layer in self.layers:
            layer.forward = lambda x, mask, layer=layer: self.attend(layer, x, mask)

    def attend(self, layer, x, mask):
        q, k, v = (f(x).unflatten(-1, (2, -1)).transpose(1, 2) for f in (layer.q, layer.k, layer.v))
        weights = (q @ k.mT).masked_fill(~mask, -torch.inf).softmax(-1)
        return x + layer.out((weights @ v).transpose(1, 2).flatten(2))


def test_outputs_that_are_no_numbers_are_no_proof_that_a_mask_holds():
    left = sentences(9, 5, 12, left=True)  # whose first tokens may read nothing at all
    audit = audit_masks(ByHand(both), left, mask="causal", replay=lambda m, b: m(b))
    assert audit.holds is False
    [nothing] = [check for check in audit.checks if check.leaks]
    assert (nothing.rule, nothing.leaks, nothing.pairs) == ("undefined", 9 + 5, 9 + 5 + 12)
    assert nothing.first == "layers.0.out"
    [future] = [check for check in audit.checks if check.rule == "future"]
    assert future.pairs == 12 * 11 / 2  # of the one sentence whose outputs are numbers
    whole = audit_masks(ByHand(both), SHORT, mask="causal", replay=lambda m, b: m(b))
    assert whole.holds is True
