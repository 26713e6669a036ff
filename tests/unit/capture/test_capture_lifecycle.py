"""Nothing is installed outside the block, nothing escapes from it, nothing is kept alive."""

import gc
import weakref

import pytest
import torch
from capture_oracles import captured
from torch import nn
from torch.nn.modules import module as module_globals
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from attn_monitor.capture import capture

TOKENS, WIDTH = 6, 16


def model(layers=2):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 32, batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()


def tokens():
    return torch.randn(2, TOKENS, WIDTH)


def installed():
    return (
        len(module_globals._global_forward_hooks),
        len(module_globals._global_forward_pre_hooks),
        len(module_globals._global_forward_hooks_always_called),
        len(_get_current_dispatch_mode_stack()),
    )


def hooks_of(watched):
    return [m for m in watched.modules() if m._forward_hooks or m._forward_pre_hooks]


def test_nothing_is_installed_outside_the_block():
    watched = model()
    attend = nn.functional.scaled_dot_product_attention
    before = installed()
    with capture(watched):
        assert installed() != before
        assert hooks_of(watched) == []
    assert installed() == before == (0, 0, 0, 0)
    assert hooks_of(watched) == []
    assert nn.functional.scaled_dot_product_attention is attend


def test_an_exception_in_the_model_passes_through_and_everything_is_restored():
    class Failing(nn.Module):
        def forward(self, _x):
            raise RuntimeError("a bug of the model's own")

    watched = nn.Sequential(model(), Failing())
    with pytest.raises(RuntimeError, match="a bug of the model's own"), capture(watched) as seen:
        watched(tokens())
    assert installed() == (0, 0, 0, 0)
    assert len(seen.records) == 2
    with torch.no_grad(), capture(watched[0]) as seen:
        watched[0](tokens())
    assert len(seen.records) == 2


def test_an_error_in_the_sink_is_reported_once_and_never_raised():
    def broken(_record):
        raise ValueError("cannot reduce this")

    watched, x = model(3), tokens()
    with torch.no_grad():
        plain = watched(x)
        with capture(watched, sink=broken) as seen:
            assert torch.equal(watched(x), plain)
    assert len(seen.errors) == 3
    assert seen.errors[0] == "the sink, at layers.0: ValueError: cannot reduce this"
    with torch.no_grad(), capture(watched, sink=broken) as seen:
        watched(x)
        watched(x)
    assert len(seen.errors) == 3


def test_a_sink_is_called_once_per_layer_in_execution_order():
    names = []
    with torch.no_grad(), capture(model(3), sink=lambda r: names.append(r.module)) as seen:
        seen.model(tokens())
    assert names == ["layers.0", "layers.1", "layers.2"]
    assert seen.records == []


@pytest.mark.parametrize("training", [False, True])
def test_inference_mode_is_seen_through(training):
    class Attend(nn.Module):
        def __init__(self):
            super().__init__()
            self.project = nn.Linear(WIDTH, 3 * WIDTH)

        def forward(self, x):
            q, k, v = self.project(x).unflatten(-1, (3, 4, -1)).permute(2, 0, 3, 1, 4)
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
            weights = torch.einsum("bhqd,bhkd->bhqk", mixed, k).softmax(-1)
            return torch.matmul(weights, v)

    watched = Attend().train(training)
    x = tokens()
    with torch.inference_mode():
        plain = watched(x)
        with capture(watched) as seen:
            inside = watched(x)
    assert torch.equal(plain, inside)
    assert seen.errors == []
    assert [record.evidence for record in seen.records] == ["verified", "model"]
    assert [record.kind for record in seen.records] == ["self", "self"]


def test_gradients_are_the_same_with_capture():
    watched = model().train()
    for layer in watched.layers:
        layer.dropout.p = layer.dropout1.p = layer.dropout2.p = layer.self_attn.dropout = 0.0
    x = tokens()
    watched(x).sum().backward()
    plain = [parameter.grad.clone() for parameter in watched.parameters()]
    watched.zero_grad()
    with capture(watched) as seen:
        watched(x).sum().backward()
    assert len(seen.records) == 2
    for parameter, gradient in zip(watched.parameters(), plain, strict=True):
        assert torch.equal(parameter.grad, gradient)


def test_no_activation_outlives_the_forward_pass():
    """With the garbage collector off: a reference cycle would show as a tensor left behind."""
    alive = []

    def sink(record):
        alive.extend(map(weakref.ref, (record, record.query, record.key, record.value)))

    watched, x = model(), tokens()
    gc.collect()
    gc.disable()
    try:
        with torch.no_grad(), capture(watched, sink=sink) as seen:
            watched(x)
            assert sum(ref() is not None for ref in alive[:4]) == 0
        del seen
        assert [ref for ref in alive if ref() is not None] == []
    finally:
        gc.enable()


def test_tensors_come_out_without_foreign_attributes(tmp_path):
    """A tensor with attributes of its own no longer loads with ``weights_only``."""
    watched, x = model(), tokens()
    buffer = torch.zeros(2, TOKENS, WIDTH)
    watched.layers[0].register_buffer("cache", buffer)

    def keep(module, _inputs, output):
        module.layers[0].cache.copy_(output)

    watched.register_forward_hook(keep)
    with torch.no_grad(), capture(watched):
        with capture(watched) as inner:
            watched(x)
        output = watched(x)
    assert len(inner.records) == 2
    for tensor in (x, output, buffer, *watched.parameters()):
        assert [name for name in vars(tensor) if "attn_monitor" in name] == []
    torch.save(output, tmp_path / "output.pt")
    assert torch.equal(torch.load(tmp_path / "output.pt", weights_only=True), output)


def test_the_model_may_be_called_from_outside_its_own_forward():
    """A Lightning module's ``validation_step`` calls an inner module, never the module itself."""
    outer = nn.Module()
    outer.inner = nn.Sequential(model(), nn.Linear(WIDTH, 3))
    loss = nn.MSELoss()
    with torch.no_grad(), capture(outer) as seen:
        answer = outer.inner(tokens())
        loss(answer, torch.zeros_like(answer))
    assert torch.equal(seen.outputs.answer, answer)
    assert seen.outputs.last_hidden.shape == (2, TOKENS, WIDTH)
    assert seen["encoder"].layers[0] == "inner.0.layers.0"


def test_modules_called_twice_are_counted():
    layer = model(1).layers[0]
    watched = nn.Sequential(layer, layer, layer).eval()
    attention = captured(watched, tokens())
    assert [(r.module, r.call) for r in attention.records] == [("0", 0), ("0", 1), ("0", 2)]
    assert attention["encoder"].layers == ("0", "0#1", "0#2")
