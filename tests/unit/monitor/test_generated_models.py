"""Every map under its own words, or a plain "unknown", in models of every make."""

import os
import random
from collections import Counter

import numpy as np
import torch

from attn_monitor.analysis import MetricSet
from attn_monitor.monitor.batches import describe_any
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.layout import find_layout
from attn_monitor.monitor.probes import ProbeBatch
from attn_monitor.monitor.recorder import Recorder
from tests.generated_models import Case, recipes

MODELS = int(os.environ.get("GENERATED_MODELS", "120"))  # `make models` tries 2,400


def judged(recipe):
    """Return how many maps of a recording are right, unknown and wrong."""
    case = Case(recipe)
    tokens = describe_any(case.batch)
    batch = ProbeBatch(split="val", batch=case.batch, tokens=tokens, rows=tuple(range(len(tokens))))
    layout = find_layout(case.model, [batch], case.replay, tokens=None, failures=Failures())
    recorder = Recorder(
        model=case.model,
        layout=layout,
        metrics=MetricSet(()),
        budget_bytes=10**9,
        failures=Failures(),
    )
    case.model.truth.clear()
    with torch.no_grad():
        seen = recorder.observe(case.replay)
    seen.finish()
    counts = Counter()
    for part in layout.parts:
        for probe in layout.probes:
            query, key = probe.axes(part)
            maps = seen.attention[part.name].get(probe.index)
            if maps is None or any("#" in word for word in (*query.text, *key.text)):
                counts["unknown"] += 1
                continue
            counts["right" if _true(case, maps, query.text, key.text) else "wrong"] += 1
    return counts


def _true(case, maps, queries, keys):
    """Return whether these words stand in a row of the model that had these weights."""
    if len(maps) != 2 or queries != keys:
        return False
    for layer, found in enumerate(maps):
        rows = [t for t in case.model.truth if t.layer == layer]
        whole = ((t.ids[n], t.weights[n]) for t in rows for n in range(len(t.ids)))
        if not any(_same(ids, weights, found, queries) for ids, weights in whole):
            return False
    return True


def _same(ids, weights, found, words):
    real = (ids != 0).nonzero().flatten()
    if [str(int(i)) for i in ids[real]] != list(words):
        return False
    true = weights[:, real][:, :, real].numpy()
    return found.shape == true.shape and bool(np.allclose(found, true, atol=1e-5))


def test_no_map_stands_under_other_words_in_models_of_every_make():
    total = Counter()
    for recipe in random.Random(0).sample(list(recipes()), MODELS):
        counts = judged(recipe)
        assert counts["wrong"] == 0, recipe
        assert counts["right"] + counts["unknown"] > 0, recipe
        total += counts
    assert total["unknown"] <= 0.02 * total["right"], total
