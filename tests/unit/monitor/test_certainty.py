"""What is read of a model's output, against the formulas written out."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from attn_monitor.capture import capture
from attn_monitor.capture.outputs import Outputs
from attn_monitor.monitor.batches import BatchTokens, Stream
from attn_monitor.monitor.certainty import OUTPUT_SPECS, output_statistics

ENTROPY, CONFIDENCE, NORM = range(3)


def tokens(*lengths, starts=None, width=None):
    ids = tuple(tuple(range(n)) for n in lengths)
    starts = starts or (0,) * len(lengths)
    return BatchTokens(source=Stream(ids=ids, starts=starts, width=width or max(lengths)))


def statistics(answer=None, hidden=None, *, batch):
    return output_statistics(Outputs(answer=answer, last_hidden=hidden), batch, range(len(batch)))


def entropy(p):
    return -sum(x * math.log(x) for x in p if x) / math.log(len(p))


def test_a_classifier_has_the_entropy_of_its_softmax():
    scores = torch.tensor([[0.0, 0.0, 0.0, 0.0], [math.log(7), 0.0, 0.0, 0.0]])
    found = statistics(scores, batch=tokens(3, 2))
    assert found[0, ENTROPY] == pytest.approx(1.0)
    assert found[0, CONFIDENCE] == pytest.approx(0.25)
    assert found[1, ENTROPY] == pytest.approx(entropy([0.7, 0.1, 0.1, 0.1]))
    assert found[1, CONFIDENCE] == pytest.approx(0.7)
    assert np.isnan(found[:, NORM]).all()


def test_probabilities_are_taken_as_they_are():
    found = statistics(torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]), batch=tokens(1, 1))
    np.testing.assert_allclose(found[:, ENTROPY], [entropy([0.5, 0.5, 0]), 0.0], atol=1e-6)


def test_a_language_model_is_averaged_over_valid_tokens_only():
    scores = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    found = statistics(scores, batch=tokens(3, 2, starts=(0, 3), width=5))
    p = scores.softmax(-1)
    for row, places in ((0, (0, 1, 2)), (1, (3, 4))):
        wanted = np.mean([entropy(p[row, at].tolist()) for at in places])
        assert found[row, ENTROPY] == pytest.approx(wanted, abs=1e-6)


class Made(TorchDispatchMode):
    """How many numbers the largest tensor had that was made, and of which types there were any."""

    def __init__(self, given):
        super().__init__()
        self.given, self.largest, self.types = given.untyped_storage().data_ptr(), 0, set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, torch.Tensor) and each.untyped_storage().data_ptr() != self.given:
                self.largest = max(self.largest, each.numel())
                self.types.add(each.dtype)
        return result


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64, "probabilities"])
def test_nothing_as_large_as_a_sentence_s_scores_of_every_word_is_made(kind):
    generator = torch.Generator().manual_seed(0)
    scores = 3 * torch.randn(2, 60, 9000, generator=generator)
    scores[0, 0, 5] = 90.0  # certain
    scores[0, 1, ::2] = -math.inf  # words that are ruled out
    given = scores.softmax(-1) if kind == "probabilities" else scores.to(kind)
    with Made(given) as made:
        found = statistics(given, batch=tokens(60, 50))
    assert made.largest < 60 * 9000 / 2
    assert torch.float64 not in made.types
    chance = given.double() if kind == "probabilities" else given.double().softmax(-1)
    for row, length in enumerate((60, 50)):
        wanted = torch.special.entr(chance[row, :length]).sum(-1).mean() / math.log(9000)
        assert found[row, ENTROPY] == pytest.approx(float(wanted), abs=1e-6)
        largest = chance[row, :length].amax(-1).mean()
        assert found[row, CONFIDENCE] == pytest.approx(float(largest), rel=1e-5)


def test_sentences_that_are_no_probes_are_not_looked_at():
    scores = torch.randn(3, 4, 5)
    batch, outputs = tokens(4, 4, 4), Outputs(answer=scores, last_hidden=torch.randn(3, 4, 8))
    found = output_statistics(outputs, batch, (0, 2))
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(
        found[[0, 2]], output_statistics(outputs, batch, range(3))[[0, 2]]
    )


def test_scores_that_are_no_numbers_have_no_entropy():
    scores = torch.zeros(2, 3, 4)
    scores[0, 1, 2] = math.nan
    found = statistics(scores, batch=tokens(3, 3))
    assert np.isnan(found[0, :2]).all()
    np.testing.assert_allclose(found[1, :2], [1.0, 0.25])


def test_tokens_first_is_told_from_sentences_first():
    scores = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    batch = tokens(5, 4)
    np.testing.assert_array_equal(
        statistics(scores, batch=batch), statistics(scores.transpose(0, 1), batch=batch)
    )


def test_hidden_norm_is_the_root_mean_square_of_valid_states():
    hidden = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [9.0, 9.0]]])
    found = statistics(hidden=hidden, batch=tokens(2, width=3))
    assert found[0, NORM] == pytest.approx((math.sqrt(25 / 2) + 0) / 2)
    assert np.isnan(found[0, :2]).all()


def test_hidden_states_are_not_taken_for_class_scores():
    hidden = torch.randn(2, 3, 8)
    found = statistics(hidden, hidden, batch=tokens(3, 3))
    assert np.isnan(found[:, :2]).all()
    assert np.isfinite(found[:, NORM]).all()


@pytest.mark.parametrize(
    "answer",
    [
        torch.tensor(0.5),
        torch.randn(2, 1),
        torch.randn(4, 3),
        torch.randn(2, 9, 3),
        torch.randn(2, 3, 4, 5),
        torch.ones(2, 3, dtype=torch.int64),
    ],
    ids=["loss", "one score", "other sentences", "other tokens", "picture", "ids"],
)
def test_what_is_not_class_scores_of_these_sentences_is_undefined(answer):
    assert np.isnan(statistics(answer, batch=tokens(3, 3))[:, :2]).all()


def test_a_decoder_s_answer_runs_along_the_target():
    source = tokens(4, 4).source
    target = Stream(ids=((1, 2), (1, 2, 3)), starts=(0, 0), width=3)
    scores = torch.zeros(2, 3, 5)
    scores[0, 2] = torch.tensor([99.0, 0, 0, 0, 0])  # padding
    found = output_statistics(
        Outputs(answer=scores, last_hidden=None), BatchTokens(source=source, target=target), (0, 1)
    )
    np.testing.assert_allclose(found[:, ENTROPY], 1.0, rtol=1e-6)


def test_one_column_per_described_statistic():
    assert [spec.name for spec in OUTPUT_SPECS] == ["output_entropy", "confidence", "hidden_norm"]


class Whole(torch.nn.Module):
    """A training module that wraps a classifier that wraps an encoder."""

    def __init__(self, *, wrapped: bool) -> None:
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = torch.nn.Linear(8, 3)
        self.inner = None if not wrapped else Whole(wrapped=False)

    def forward(self, x):
        if self.inner is not None:
            return self.inner(x).log_softmax(-1)
        self.hidden = self.encoder(x)
        return self.head(self.hidden[:, 0])


@pytest.mark.parametrize("wrapped", [False, True])
def test_hidden_states_are_found_behind_modules_that_hand_the_answer_on(wrapped):
    model = Whole(wrapped=wrapped).eval()
    with torch.no_grad(), capture(model) as attention:
        scores = model(torch.randn(2, 4, 8))
    states = (model.inner or model).hidden
    assert torch.equal(attention.outputs.answer, scores)
    assert torch.equal(attention.outputs.last_hidden, states)
    found = output_statistics(attention.outputs, tokens(4, 4), (0, 1))
    wanted = torch.special.entr(scores.softmax(-1)).sum(-1) / math.log(3)
    np.testing.assert_allclose(found[:, ENTROPY], wanted, rtol=1e-5)
    norms = states.norm(dim=-1).mean(-1) / math.sqrt(8)
    np.testing.assert_allclose(found[:, NORM], norms, rtol=1e-5)


def test_a_model_without_a_head_has_hidden_states_and_no_answer_to_speak_of():
    model = Whole(wrapped=False).encoder.eval()
    with torch.no_grad(), capture(model) as attention:
        model(torch.randn(2, 4, 8))
    found = output_statistics(attention.outputs, tokens(4, 4), (0, 1))
    assert np.isnan(found[:, :2]).all()
    assert np.isfinite(found[:, NORM]).all()
