"""Models that are spread over processes (FSDP2): a replay leaves each process with its own part."""

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from attn_monitor.monitor.fingerprint import fingerprint
from attn_monitor.monitor.guard import reshard, untouched


@pytest.fixture
def mesh():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


def trained(mesh, replay):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2))
    for layer in (model[0], model[2]):
        fully_shard(layer, mesh=mesh)
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(3):
        model(torch.randn(5, 4)).square().sum().backward()
        replay(model)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():  # a validation leaves the parameters whole
            model(torch.ones(1, 4))
        replay(model)
    reshard(model)
    return [parameter.full_tensor().tolist() for parameter in model.parameters()]


def test_a_model_that_is_spread_trains_on_after_a_replay_as_without(mesh):
    def replay(model):
        reshard(model)
        before = fingerprint(model)
        with untouched(model):
            model(torch.ones(2, 4))
        assert before.differs_from(fingerprint(model)) == ()

    assert trained(mesh, replay) == trained(mesh, lambda _model: None)
