"""What muting a head costs, against the same model with that head's output weights set to zero."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from attn_monitor import AttentionRecorder, open_run
from attn_monitor.cli import main
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import HeadId
from attn_monitor.monitor.options import MonitorOptions
from tests.wsgi_tab import Tab

HEADS, WIDTH, TOKENS = 4, 16, 7
SIZES = {"vocab_size": 30, "hidden_size": WIDTH, "num_attention_heads": HEADS}


class Classifier(nn.Module):
    """Two layers that run on fused kernels when nobody needs them apart; a head is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.classify = nn.Linear(WIDTH, 3)
        self.encoder.layers[1].self_attn.out_proj.weight.data[:, 8:12] = 0

    def forward(self, input_ids, attention_mask, labels=None):
        hidden = attention_mask == 0
        states = self.encoder(self.embed(input_ids), src_key_padding_mask=hidden)
        scores = self.classify(states[:, 0])
        if labels is None:
            return scores
        return {"loss": nn.functional.cross_entropy(scores, labels), "logits": scores}


def fused():
    model = Classifier()
    return model, [layer.self_attn.out_proj for layer in model.encoder.layers]


def eager():
    config = BertConfig(
        **SIZES,
        **{"intermediate_size": 16, "num_hidden_layers": 2, "num_labels": 3},
        attn_implementation="eager",
    )
    model = BertForSequenceClassification(config)
    return model, [layer.attention.output.dense for layer in model.bert.encoder.layer]


def grouped():
    config = LlamaConfig(
        **SIZES, intermediate_size=16, num_hidden_layers=2, num_key_value_heads=2, use_cache=False
    )
    model = LlamaForCausalLM(config)
    return model, [layer.self_attn.o_proj for layer in model.model.layers]


def latent():
    config = DeepseekV3Config(
        **SIZES,
        **{"num_key_value_heads": HEADS, "num_hidden_layers": 2, "q_lora_rank": 8, "head_dim": 4},
        **{"kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 6},
        **{"intermediate_size": 16, "first_k_dense_replace": 2, "use_cache": False},
    )
    model = DeepseekV3ForCausalLM(config)
    return model, [layer.self_attn.o_proj for layer in model.model.layers]


def batch(*, words):
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(1, 30, (4, TOKENS), generator=generator)
    mask = torch.tensor([[1] * TOKENS, [1] * 5 + [0] * 2, [1] * TOKENS, [1] * 3 + [0] * 4])
    labels = torch.where(mask.bool(), ids, -100) if words else torch.tensor([0, 1, 2, 1])
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}


@pytest.mark.parametrize("make", [fused, eager, grouped, latent])
def test_importance_is_the_rise_of_the_loss_when_a_head_is_muted_by_hand(make, tmp_path):
    torch.manual_seed(0)
    model, projections = make()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data *= 3  # so that heads matter
    model.eval()
    given = batch(words=make in {grouped, latent})
    before = {name: p.clone() for name, p in model.state_dict().items()}
    with AttentionRecorder(
        model, [given], log_dir=tmp_path, probes=4, lens_sentences=0, importance=1
    ) as recorder:
        recorder.record(step=0, epoch=0)
    assert recorder.failures.count == 0
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())

    def loss(*heads):
        with torch.no_grad():
            kept = [projection.weight.clone() for projection in projections]
            for layer, head in heads:
                width = projections[layer].weight.shape[1] // HEADS
                projections[layer].weight[:, head * width : (head + 1) * width] = 0
            found = float(model(**given)["loss"])
            for projection, weight in zip(projections, kept, strict=True):
                projection.weight.copy_(weight)
        return found

    run = open_run(tmp_path)
    found = run.importance(0)
    assert (found.unit, found.repeat, len(found.heads)) == ("loss", 0, 8)
    assert found.loss == pytest.approx(loss(), abs=1e-6)
    for head, effect in found.heads:
        assert effect == pytest.approx(loss((head.layer, head.head)) - loss(), abs=1e-6)
    assert [effect for _, effect in found.heads] == sorted(effect for _, effect in found.heads)
    assert max(abs(effect) for _, effect in found.heads) > 1e-4
    assert set(found.without) == {1, 2, 3, 4, 5, 6}
    assert Tab(tmp_path.parent).get(
        "redundancy", run=tmp_path.name, step=0, part=run.parts[0]
    ).json["importance"] == json.loads(json.dumps(found.as_json()))
    fine = [n for n, effect in found.without.items() if effect <= 0.01 * found.loss]
    assert found.can_go == max(fine, default=0)
    for count, effect in found.without.items():
        together = loss(*((head.layer, head.head) for head, _ in found.heads[:count]))
        assert effect == pytest.approx(together - loss(), abs=1e-6)


class Words(nn.Module):
    """A model without a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Classifier()

    def forward(self, input_ids, attention_mask):
        return self.inner(input_ids, attention_mask)


def test_a_dead_head_comes_first_and_can_go_where_there_is_no_loss(tmp_path, capsys):
    torch.manual_seed(0)
    model = Words().eval()
    given = {name: x for name, x in batch(words=False).items() if name != "labels"}
    with AttentionRecorder(
        model, [given], log_dir=tmp_path, probes=4, lens_sentences=0, importance="last"
    ) as recorder:
        recorder.record(step=0, epoch=0)
        recorder.record(step=1, epoch=1, scalars={"val_loss": 0.5})
    assert recorder.failures.count == 0
    run = open_run(tmp_path)
    assert run.importance(0) is None
    found = run.importance(1)
    assert (found.unit, found.loss) == ("share of the output", None)
    assert found.heads[0] == (HeadId("encoder", 1, 2), 0.0)
    assert found.without[1] == 0
    with torch.no_grad():
        whole = model(**given)
        model.inner.encoder.layers[0].self_attn.out_proj.weight[:, 4:8] = 0
        moved = ((model(**given) - whole).norm(dim=-1) / whole.norm(dim=-1)).mean()
    assert dict(found.heads)[HeadId("encoder", 0, 1)] == pytest.approx(float(moved), abs=1e-6)
    assert run.scalars(1)["val_loss"] == 0.5  # the step was written anew, with all it had
    dormant = run.metric("writes_share", part="encoder")[1]
    assert dormant[1, 2] == 0
    main(["report", str(tmp_path), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["importance"]["heads"][0] == {
        **{"part": "encoder", "layer": 1, "head": 2},
        "effect": 0.0,
    }
    sentences = {verdict["name"]: verdict["sentence"] for verdict in said["verdicts"]}
    assert "written by L2 H3 since step 0" in sentences["dormant"]
    assert "of 8 heads can go together: output" in sentences["importance"]


def test_weights_that_moved_since_the_last_record_are_not_called_the_last(tmp_path):
    model = Words().eval()
    given = {name: x for name, x in batch(words=False).items() if name != "labels"}
    with (
        pytest.warns(match="other weights than those that were recorded last"),
        AttentionRecorder(
            model, [given], log_dir=tmp_path, probes=4, lens_sentences=0, importance="last"
        ) as recorder,
    ):
        recorder.record(step=0, epoch=0)
        with torch.no_grad():
            model.inner.classify.weight += 1
    assert open_run(tmp_path).importance(0) is None


def test_a_pass_that_never_gives_the_same_loss_says_so(tmp_path):
    class Noisy(Classifier):
        calls = 0

        def forward(self, input_ids, attention_mask, labels=None):
            self.calls += 1
            found = super().forward(input_ids, attention_mask, labels)
            return {**found, "loss": found["loss"] + self.calls} if labels is not None else found

    with AttentionRecorder(
        Noisy().eval(), [batch(words=False)], log_dir=tmp_path, lens_sentences=0, importance=1
    ) as recorder:
        recorder.record(step=0, epoch=0)
    assert np.isclose(open_run(tmp_path).importance(0).repeat, 9)


def test_the_best_steps_are_those_with_the_lowest_loss_so_far(tmp_path):
    with AttentionRecorder(
        Classifier().eval(), [batch(words=False)], log_dir=tmp_path, lens_sentences=0,
        importance="best",
    ) as recorder:  # fmt: skip
        for step, loss in enumerate((0.5, 0.3, 0.4, float("nan"), 0.2)):
            recorder.record(step=step, epoch=step, scalars={"val_loss": loss})
    assert recorder.failures.count == 0
    run = open_run(tmp_path)
    measured = [run.importance(step) is not None for step in run.steps]
    assert measured == [True, True, False, False, True]


@pytest.mark.parametrize("asked", ["first", 0, True, 1.5])
def test_a_time_that_is_none_is_refused(asked):
    with pytest.raises(ConfigurationError, match="importance must be"):
        MonitorOptions(importance=asked)
