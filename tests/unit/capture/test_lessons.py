"""Learn once where attention is, then look there only: what differs is noticed, never missed."""

from __future__ import annotations

from contextlib import nullcontext
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

from attn_monitor.capture import capture
from attn_monitor.capture.lessons import PASSES, PATIENCE, Lesson
from attn_monitor.capture.mode import CaptureMode
from attn_monitor.capture.mutations import before_writes
from attn_monitor.capture.sources import Follower
from attn_monitor.capture.tracer import Tracer
from attn_monitor.core.errors import ConfigurationError

WIDTH, HEADS = 16, 2
WORDS = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(0))


class Layer(nn.Module):
    """Fused attention in a module that can be told to behave otherwise."""

    def __init__(self):
        super().__init__()
        self.pack, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.heads, self.scaled, self.skipped, self.twice = HEADS, False, False, False

    def forward(self, x):
        q, k, v = self.pack(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.skipped:
            return x
        q = q * 2 if self.scaled else q
        mixed = functional.scaled_dot_product_attention(q, k, v)
        if self.twice:
            mixed = mixed + functional.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(1, 2).flatten(-2))


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.order = [0, 1, 2]

    def forward(self, x):
        for at in self.order:
            x = self.layers[at](x)
        return x


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Stack().eval()


def passed(model, lesson, **options):
    with torch.no_grad(), capture(model, verify=False, lesson=lesson, **options) as attention:
        model(WORDS)
    return attention


def learned(model):
    lesson = Lesson()
    passed(model, lesson)
    assert lesson.why_not == ""
    return lesson


def shown(model, lesson):
    """Return how many operators the families are shown."""
    with mock.patch.object(Tracer, "guarded", autospec=True, side_effect=Tracer.guarded) as guarded:
        passed(model, lesson)
    return guarded.call_count


def test_the_second_pass_looks_at_few_operators(model):
    lesson = Lesson()
    everything = shown(model, lesson)
    assert shown(model, lesson) <= everything / 2  # most of this model is attention


def test_what_changes_from_pass_to_pass_is_read_anew(model):
    lesson = learned(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    now, watched = passed(model, lesson), passed(model, None)
    assert now.difference == ""
    for one, other in zip(now.records, watched.records, strict=True):
        assert torch.equal(one.weights(), other.weights())
        assert torch.equal(one.output_projection, other.output_projection)
        assert torch.equal(one.projected.tensor, other.projected.tensor)


def scale(model):
    model.layers[1].scaled = True


def skip(model):
    model.layers[1].skipped = True


def attend_twice(model):
    model.layers[2].twice = True


def lose_a_layer(model):
    model.order = [0, 1]


def swap_layers(model):
    model.order = [0, 2, 1]


def replace_a_layer(model):
    model.layers[1] = Layer()


def regroup_heads(model):
    model.layers[0].heads = 2 * HEADS


@pytest.mark.parametrize(
    "change",
    [scale, skip, attend_twice, lose_a_layer, swap_layers, replace_a_layer, regroup_heads],
)
def test_whatever_differs_is_noticed_and_learned_anew(model, change):
    lesson = learned(model)
    change(model)
    assert passed(model, lesson).difference
    assert not lesson.usable
    anew = passed(model, lesson)
    assert anew.difference == ""
    assert lesson.usable or change is attend_twice  # put together from two: always watched
    assert len(passed(model, lesson).records) == len(anew.records)


def test_what_is_written_far_from_attention_is_said_before_it_is_written(model):
    lesson, buffer, seen = learned(model), torch.zeros(3), []
    model.layers[1].register_forward_pre_hook(lambda *_: (buffer.add_(1), None)[1])
    with before_writes(lambda tensor: seen.append(tensor.clone())):
        assert passed(model, lesson).difference
    assert [tensor.tolist() for tensor in seen] == [[0, 0, 0]]


def test_nothing_is_expected_of_a_model_that_differs_every_time(model):
    lesson = learned(model)
    for turn in range(PATIENCE):
        model.order = [0, 1] if turn % 2 == 0 else [0, 1, 2]
        assert passed(model, lesson).difference
        passed(model, lesson)
    assert not lesson.usable


def test_everything_is_watched_again_now_and_then(model):
    lesson = learned(model)
    for _ in range(PASSES):
        assert lesson.usable
        passed(model, lesson)
    assert not lesson.usable


def test_nothing_stays_on_when_the_model_fails(model):
    lesson = learned(model)
    model.layers[1].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        passed(model, lesson)
    assert _get_current_dispatch_mode() is None


def test_a_mode_of_the_users_own_stays_where_it_is(model):
    class Counts(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            Counts.seen += 1
            return func(*args, **(kwargs or {}))

    inner = model.layers[1].forward

    def within(x):
        with Counts():
            return inner(x)

    model.layers[1].forward = within
    with Counts():
        model(WORDS)
    alone, Counts.seen = Counts.seen, 0
    lesson = learned(model)
    with Counts():
        looked_at = passed(model, lesson)
    assert looked_at.difference == ""
    assert len(looked_at.records) == 3
    assert Counts.seen >= alone
    assert _get_current_dispatch_mode() is None


def operators_seen(model, lesson, listener=None):
    """Return how many operators the mode of a pass sees, and what went otherwise."""
    with (
        mock.patch.object(
            CaptureMode,
            "__torch_dispatch__",
            autospec=True,
            side_effect=CaptureMode.__torch_dispatch__,
        ) as seen,
        nullcontext() if listener is None else before_writes(listener),
    ):
        attention = passed(model, lesson)
    return seen.call_count, attention


def test_a_later_pass_sees_no_operator_between_modules_that_do_not_attend(model):
    between = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
    model.layers.insert(1, between)
    model.order = [0, 1, 2, 3]
    watched, first = operators_seen(model, None)
    lesson = learned(model)
    seen, later = operators_seen(model, lesson)
    assert later.difference == ""
    assert seen < watched / 1.5
    assert [r.module for r in later.records] == [r.module for r in first.records]
    for one, other in zip(later.records, first.records, strict=True):
        assert torch.equal(one.weights(), other.weights())
        assert torch.equal(one.output_projection, other.output_projection)
    # Who must be told of every write is told of it.
    assert operators_seen(model, lesson, listener=lambda _: None)[0] == watched


def test_a_mode_that_is_new_inside_of_the_model_is_noticed_and_stays_where_it_is(model):
    class Other(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {}))

    lesson, inner, other = learned(model), model.layers[1].forward, Other()

    def within(x):
        with other:
            assert _get_current_dispatch_mode() is other
            made = inner(x)
            assert _get_current_dispatch_mode() is other
        return made

    model.layers[1].forward = within
    assert "mode" in passed(model, lesson).difference
    assert _get_current_dispatch_mode() is None
    for _ in range(2):  # learned anew, then gone by: everything is compared
        attention = passed(model, lesson)
        assert attention.difference == ""
        assert len(attention.records) == 3
    assert lesson.passes == 1
    assert _get_current_dispatch_mode() is None


def test_more_passes_than_one_are_noticed(model):
    lesson = learned(model)
    with torch.no_grad(), capture(model, verify=False, lesson=lesson) as attention:
        model(WORDS)
        model(WORDS)
    assert attention.difference


@pytest.mark.parametrize("options", [{}, {"verify": False, "follower": Follower()}])
def test_a_lesson_with_checks_of_our_own_is_refused(model, options):
    with (
        pytest.raises(ConfigurationError, match="verify=False"),
        capture(model, lesson=Lesson(), **options),
    ):
        pass


def test_another_module_between_those_that_attend_is_noticed_though_nothing_is_seen_there(model):
    model.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
    model.norm = 0

    def forward(x):
        for layer in model.layers:
            x = model.norms[model.norm](layer(x))
        return x

    model.forward = forward
    lesson = learned(model)
    assert passed(model, lesson).difference == ""
    model.norm = 1  # the same operators
    assert "LayerNorm was unexpected" in passed(model, lesson).difference
