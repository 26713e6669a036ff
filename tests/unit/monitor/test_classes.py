"""What every token adds to each class: exact where the head is linear, a gradient elsewhere."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from recordings import encoder_info, record
from torch import nn

from attn_monitor.capture import capture
from attn_monitor.capture.class_head import find_class_head
from attn_monitor.core.class_answer import ClassAnswer, ClassLayer
from attn_monitor.core.errors import ConfigurationError, NotRecordedError
from attn_monitor.monitor.batches import BatchTokens, Stream
from attn_monitor.monitor.class_reader import find_classes
from attn_monitor.monitor.turning import Ends
from attn_monitor.store import RunWriter, open_run

LENGTHS = (5, 3)
CLASSES = 4


class Classifier(nn.Module):
    """An encoder with one of the usual heads; sentences are padded to the longest."""

    def __init__(self, head: str) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = head
        self.linear = nn.Linear(8, CLASSES)

    def forward(self, x):
        padding = torch.arange(x.shape[1]) >= torch.tensor(LENGTHS)[:, None]
        states = self.encoder(x, src_key_padding_mask=padding)
        if self.head == "mean":
            kept = (~padding)[..., None].float()
            return self.linear((states * kept).sum(1) / kept.sum(1))
        if self.head == "last":
            return self.linear(states[torch.arange(2), torch.tensor(LENGTHS) - 1])
        if self.head == "tanh":
            return self.linear(states[:, 0].tanh())
        return self.linear(states[:, 0]).log_softmax(-1)


def tokens():
    ids = tuple(tuple(range(length)) for length in LENGTHS)
    return BatchTokens(source=Stream(ids=ids, starts=(0, 0), width=max(LENGTHS)))


def read(head):
    torch.manual_seed(0)
    model = Classifier(head).eval()
    x = torch.randn(2, max(LENGTHS), 8)
    with torch.no_grad(), capture(model) as attention:
        model(x)
    reader = find_classes(model, attention.outputs, tokens())
    answers = reader.answers(attention.outputs, tokens(), lambda: model(x))
    return model, attention.outputs, reader, answers


@pytest.mark.parametrize(
    ("head", "method"),
    [("mean", "linear_mean"), ("first", "linear_first"), ("last", "linear_last")],
)
def test_contributions_of_a_linear_head_sum_to_its_score_less_the_bias(head, method):
    model, outputs, reader, answers = read(head)
    assert reader.layer.method == method
    assert reader.layer.names == ("class 1", "class 2", "class 3", "class 4")
    for row, length in enumerate(LENGTHS):
        parts = answers[row].contributions
        assert parts.shape == (length, CLASSES)
        raw = torch.tensor(parts.sum(axis=0)) + model.linear.bias.detach()
        scores = raw.log_softmax(-1) if head == "first" else raw
        np.testing.assert_allclose(scores, outputs.answer[row].detach(), atol=1e-5)
        np.testing.assert_allclose(answers[row].scores, outputs.answer[row].detach(), atol=1e-7)


def test_another_head_is_read_by_the_gradient_and_leaves_none_behind():
    model, outputs, reader, answers = read("tanh")
    assert reader.layer.method == "gradient"
    assert all(parameter.grad is None for parameter in model.parameters())
    states = outputs.last_hidden.detach()
    for row in range(2):
        first = states[row, 0]
        slope = model.linear.weight.detach() * (1 - first.tanh() ** 2)
        expected = np.zeros((LENGTHS[row], CLASSES), np.float32)
        expected[0] = (slope * first).sum(-1)
        np.testing.assert_allclose(answers[row].contributions, expected, atol=1e-5)


def passed(model, x, around):
    with torch.no_grad(), capture(model, verify=False) as attention, around:
        model(x)
    return attention.outputs


def test_gradients_kept_from_the_last_states_on_are_those_of_a_whole_pass():
    torch.manual_seed(1)
    model = Classifier("tanh").eval()
    x, ends = torch.randn(2, max(LENGTHS), 8), Ends()
    reader = find_classes(model, passed(model, x, ends.noted()), tokens(), ends)
    expected = reader.answers(passed(model, x, nullcontext()), tokens(), lambda: model(x))
    outputs = passed(model, x, reader.turn.taken())
    answers = reader.answers(outputs, tokens(), lambda: pytest.fail("replayed once more"))
    for row in range(2):
        assert np.abs(expected[row].contributions).max() > 0.01
        np.testing.assert_allclose(
            answers[row].contributions, expected[row].contributions, atol=1e-6
        )
    assert all(parameter.grad is None for parameter in model.parameters())
    assert outputs.last_hidden.grad_fn is None  # nothing before it was kept


def test_states_that_were_used_before_they_were_returned_need_a_whole_pass():
    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = Classifier("mean").encoder

        def forward(self, x):
            states = self.encoder(x) * 2
            return states, states.mean(1).tanh()

    class Early(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.linear = Body(), nn.Linear(8, CLASSES)

        def forward(self, x):
            states, mean = self.body(x)
            return self.linear(states[:, 0].tanh() + mean)

    torch.manual_seed(0)
    model, x, ends = Early().eval(), torch.randn(2, max(LENGTHS), 8), Ends()
    outputs = passed(model, x, ends.noted())
    assert find_classes(model, outputs, tokens(), ends).turn is None


def test_the_method_is_decided_at_every_step():
    """A head that starts at zero proves nothing; BatchNorm does nothing until it has seen data."""

    class Trained(Classifier):
        def __init__(self):
            super().__init__("tanh")
            self.norm = nn.BatchNorm1d(8)

        def forward(self, x):
            return self.linear(self.norm(self.encoder(x)[:, 0]))

    torch.manual_seed(0)
    model, x = Trained().eval(), torch.randn(2, 5, 8)
    whole = BatchTokens(source=Stream(ids=((0,) * 5,) * 2, starts=(0, 0), width=5))

    def step():
        with torch.no_grad(), capture(model) as attention:
            scores = model(x)
        reader = find_classes(model, attention.outputs, whole)
        return scores, reader.answers(attention.outputs, whole, lambda: model(x))[0]

    weight = model.linear.weight.detach().clone()
    with torch.no_grad():
        model.linear.weight.zero_()
    assert step()[1].method == "gradient"
    with torch.no_grad():
        model.linear.weight.copy_(weight)
    assert step()[1].method == "linear_first"
    with torch.no_grad():
        model.norm.running_mean.fill_(0.5)
        model.norm.running_var.fill_(4.0)
    scores, found = step()
    assert found.method == "gradient"
    assert np.abs(found.contributions[1:]).max() <= 1e-5
    constant = model.linear(model.norm(torch.zeros(1, 8)))[0]
    total = torch.tensor(found.contributions.sum(axis=0)) + constant
    torch.testing.assert_close(total, scores[0], atol=1e-4, rtol=0)


def test_a_model_that_answers_token_by_token_has_no_classes():
    model = Classifier("mean").encoder.eval()
    with torch.no_grad(), capture(model) as attention:
        model(torch.randn(2, max(LENGTHS), 8))
    assert find_classes(model, attention.outputs, tokens()) is None


def test_a_pooled_state_is_not_taken_for_class_scores():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = Classifier("mean").encoder

        def forward(self, x):
            return self.encoder(x).mean(1)

    model = Pooled().eval()
    with torch.no_grad(), capture(model) as attention:
        model(torch.randn(2, max(LENGTHS), 8))
    assert attention.outputs.answer.shape == (2, 8)
    assert find_classes(model, attention.outputs, tokens()) is None


class Wide(nn.Module):
    """A classifier of so many classes, in Hugging Face's manner."""

    def __init__(self, classes, names=None):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.linear = nn.Linear(8, classes)
        self.config = SimpleNamespace(id2label=dict(enumerate(names or [])))

    def forward(self, x):
        return self.linear(self.encoder(x).mean(1))


def head_of(model, *, sentences=2):
    states = torch.randn(2, 3, 8)
    with torch.no_grad(), capture(model.eval()) as attention:
        model(states)
    hidden = attention.outputs.last_hidden
    return find_class_head(model, attention.outputs.answer, list(hidden)[:sentences])


@pytest.mark.parametrize(("classes", "found"), [(1, False), (2, True), (64, True), (65, False)])
def test_a_classifier_has_2_to_64_classes(classes, found):
    assert (head_of(Wide(classes)) is not None) == found


def test_as_many_answers_as_sentences_are_needed():
    assert head_of(Wide(3), sentences=1) is None
    assert head_of(Wide(3), sentences=0) is None


def test_classes_have_the_names_of_the_configuration_if_it_names_each():
    assert head_of(Wide(3, ["no", "yes", "so so"])).layer.names == ("no", "yes", "so so")
    assert head_of(Wide(3, ["no", "yes"])).layer.names == ("class 1", "class 2", "class 3")


def answer(tokens_, classes=2, seed=0):
    random = np.random.default_rng(seed)
    return ClassAnswer(
        scores=random.normal(size=classes).astype("f4"),
        contributions=random.normal(size=(tokens_, classes)).astype("f4"),
    )


def classified():
    layer = ClassLayer(names=("angry", "happy"), method="linear_mean")
    return replace(encoder_info(lengths=(4, 7)), classes=layer)


def test_class_answers_come_back_from_a_recording(tmp_path):
    info = classified()
    kept = answer(7)
    with RunWriter(tmp_path, info) as writer:
        writer.write(replace(record(info, 0), classes={1: kept}))
    run = open_run(tmp_path)
    assert run.classes == info.classes
    found = run.class_answer(step=0, probe=1)
    np.testing.assert_array_equal(found.scores, kept.scores)
    np.testing.assert_array_equal(found.contributions, kept.contributions)
    assert found.method == "linear_mean", "as older recordings say it, once for all steps"
    with RunWriter(tmp_path / "named", info) as writer:
        writer.write(replace(record(info, 0), classes={1: replace(kept, method="gradient")}))
    assert open_run(tmp_path / "named").class_answer(step=0, probe=1).method == "gradient"
    with pytest.raises(NotRecordedError, match="the class scores of probe 0 were not kept"):
        run.class_answer(step=0, probe=0)


def test_recordings_without_classes_open_as_before(tmp_path):
    info = encoder_info()
    with RunWriter(tmp_path, info) as writer:
        writer.write(record(info, 0))
    run = open_run(tmp_path)
    assert run.classes is None
    with pytest.raises(NotRecordedError, match="this model does not classify sentences"):
        run.class_answer(step=0, probe=0)


def test_contributions_of_another_shape_are_refused(tmp_path):
    info = classified()
    wanted = r"classes\[1\] has scores and contributions of shape \(2, 6, 2\), wanted \(2, 7, 2\)"
    with RunWriter(tmp_path, info) as writer, pytest.raises(ConfigurationError, match=wanted):
        writer.write(replace(record(info, 0), classes={1: answer(6)}))
