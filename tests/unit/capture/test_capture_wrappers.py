"""The same blocks compiled, checkpointed, sharded, traced and in half precision."""

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from attn_monitor.capture import capture

SENTENCES, TOKENS, WIDTH, HEADS, LAYERS = 2, 6, 32, 4, 2
D_HEAD = WIDTH // HEADS
EXACT = 2e-7

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.*deprecated")


class Block(nn.Module):
    def __init__(self, *, fused):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.project = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.n_head = HEADS
        self.fused = fused

    def heads(self, x):
        return (
            self.project(self.norm(x))
            .view(SENTENCES, TOKENS, 3, HEADS, D_HEAD)
            .permute(2, 0, 3, 1, 4)
            .unbind(0)
        )

    def forward(self, x):
        q, k, v = self.heads(x)
        if self.fused:
            mixed = scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.mT * D_HEAD**-0.5).softmax(-1) @ v
        return x + self.out(mixed.transpose(1, 2).flatten(2))


class Model(nn.Module):
    def __init__(self, *, fused=True, repeated=False):
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(Block(fused=fused) for _ in range(LAYERS))
        self.repeated = repeated

    def forward(self, x):
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.repeated else block(x)
        return x


def tokens():
    return torch.randn(SENTENCES, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


def truth(x, *, fused=True):
    """Weights of every layer of an unwrapped copy, written out."""
    weights = []
    with torch.no_grad():
        for block in Model(fused=fused).blocks:
            q, k, _ = block.heads(x)
            weights.append((q @ k.mT * D_HEAD**-0.5).softmax(-1))
            x = block(x)
    return weights


def check(model, *, fused=True, names=("blocks.0", "blocks.1"), bound=EXACT, mode=torch.no_grad):
    with mode():
        plain = model(tokens())
        with capture(model) as attention:
            watched = model(tokens())
    assert torch.equal(plain, watched)
    assert attention.errors == []
    assert tuple(record.module for record in attention.records) == names
    for record, weights in zip(attention.records, truth(tokens(), fused=fused), strict=True):
        assert (record.weights() - weights).abs().max() <= bound
        assert record.evidence == ("verified" if fused else "model")
        assert record.kind == "self"
    return attention


both_kinds = pytest.mark.parametrize("fused", [True, False])


@both_kinds
def test_a_model_compiled_from_outside_or_in_place(fused):
    check(torch.compile(Model(fused=fused), backend="aot_eager"), fused=fused)
    in_place = Model(fused=fused)
    in_place.compile(backend="aot_eager")
    check(in_place, fused=fused)
    inner = Model(fused=fused)
    for block in inner.blocks:
        block.compile(backend="aot_eager")
    check(inner, fused=fused)


@both_kinds
def test_activation_checkpointing_records_each_layer_once(fused):
    model = Model(fused=fused, repeated=True)
    gradients = []
    for watch in (False, True):
        model.zero_grad()
        x = tokens().requires_grad_()
        if watch:
            with capture(model) as attention:
                model(x).sum().backward()
        else:
            model(x).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    assert [record.module for record in attention.records] == ["blocks.0", "blocks.1"]
    for mine, other in zip(*gradients, strict=True):
        assert torch.equal(mine, other)
    for record, weights in zip(attention.records, truth(tokens(), fused=fused), strict=True):
        assert (record.weights() - weights).abs().max() <= EXACT


@both_kinds
def test_traced_and_frozen_models_are_read_without_module_names(fused):
    traced = torch.jit.trace(Model(fused=fused).eval(), tokens())
    check(traced, fused=fused, names=("", ""))
    frozen = check(torch.jit.freeze(traced), fused=fused, names=("", ""))
    assert frozen.records[0].output_projection is None  # constants are not parameters any more


@both_kinds
def test_autocast_is_followed_in_its_own_precision(fused):
    def half():
        return torch.autocast("cpu", torch.bfloat16)

    with torch.no_grad(), half():
        plain = Model(fused=fused)(tokens())
        with capture(Model(fused=fused)) as attention:
            watched = attention.model(tokens())
        expected = truth(tokens(), fused=fused)
    assert torch.equal(plain, watched)
    assert attention.records[0].value.dtype == torch.bfloat16
    for record, weights in zip(attention.records, expected, strict=True):
        assert (record.weights() - weights).abs().max() <= (3e-3 if fused else 0.0)
        assert record.weights().dtype == torch.float32
        assert record.evidence == ("verified" if fused else "model")


@both_kinds
def test_bf16_weights(fused):
    model = Model(fused=fused).bfloat16()
    x = tokens().bfloat16()
    with torch.no_grad():
        with capture(model) as attention:
            model(x)
        for record, block in zip(attention.records, model.blocks, strict=True):
            q, k, _ = block.heads(x)
            expected = (q.float() @ k.float().mT * D_HEAD**-0.5).softmax(-1)
            assert (record.weights() - expected).abs().max() <= 3e-3
            x = block(x)
    assert attention.errors == []


@pytest.fixture
def process_group():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_distributed_data_parallel():
    model = nn.parallel.DistributedDataParallel(Model())
    check(model)
    check(model, mode=torch.enable_grad)


@pytest.mark.usefixtures("process_group")
def test_fully_sharded_data_parallel():
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (1,))
    model = Model()
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    attention = check(model)
    assert attention.records[0].output_projection.shape == (WIDTH, WIDTH)
    check(model, mode=torch.inference_mode)


def two_ranks(rank, store):
    """One of two processes, each holding half of every parameter."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    model = Model()
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    assert model.blocks[0].out.weight.to_local().shape == (WIDTH // 2, WIDTH)
    check(model)
    check(nn.parallel.DistributedDataParallel(Model()))
    distributed.destroy_process_group()


def test_two_ranks_that_hold_half_of_every_parameter(tmp_path):
    multiprocessing.spawn(two_ranks, args=(tmp_path / "store",), nprocs=2)


def test_a_quantized_projection_is_read_through():
    model = Model(fused=False)
    for block in model.blocks:  # weights rebuilt from integers at every call, as int8 kernels do
        weight = block.out.weight.detach()
        scale = weight.abs().max() / 127
        codes = (weight / scale).round().to(torch.int8)
        block.out = Dequantized(codes, scale)
    with torch.no_grad(), capture(model) as attention:
        model(tokens())
    assert attention.errors == []
    assert [record.module for record in attention.records] == ["blocks.0", "blocks.1"]
    assert (attention.records[0].weights() - truth(tokens(), fused=False)[0]).abs().max() == 0


class Dequantized(nn.Module):
    def __init__(self, codes, scale):
        super().__init__()
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)

    def forward(self, x):
        return x @ (self.codes.float() * self.scale).T
