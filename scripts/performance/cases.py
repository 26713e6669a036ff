"""Run one build's cases, one per line of stdin; answer each with the seconds of its thread.

Runs with whichever `attn_monitor` is found first, so that an earlier build is measured beside this
one by a process of its own: `PYTHONPATH=<a clone of it> python cases.py`. Peers are found likewise.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache

import torch
import transformers

from attn_monitor import AttentionRecorder
from attn_monitor.analysis import compute_metrics, registered_metrics
from attn_monitor.capture import capture
from attn_monitor.core.maps import MapsByRows

try:
    from attn_monitor.capture import Lesson, maps_of
except ImportError:  # an earlier build knows no later passes
    Lesson = maps_of = None

LAYERS, HEADS, WIDTH, WORDS = 6, 12, 384, 1000
SENTENCES, PROBES, BATCH = 4, 64, 16
Case = Callable[[], object]


@cache
def model(kind: str, attention: str) -> torch.nn.Module:
    """Return a model with random weights: BERT, a classifier made of it, or a causal GPT-2."""
    torch.manual_seed(0)
    if kind == "gpt":
        config = transformers.GPT2Config(
            **{"vocab_size": WORDS, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS},
            **{"n_positions": 2048, "bos_token_id": 1, "eos_token_id": 2, "use_cache": False},
        )
        return transformers.GPT2Model._from_config(config, attn_implementation=attention).eval()
    config = transformers.BertConfig(
        **{"vocab_size": WORDS, "hidden_size": WIDTH, "num_hidden_layers": LAYERS},
        **{"num_attention_heads": HEADS, "intermediate_size": 4 * WIDTH},
    )
    chosen = transformers.BertForSequenceClassification if kind == "classes" else None
    made = (chosen or transformers.BertModel)._from_config(config, attn_implementation=attention)
    return made.eval()


def every_metric(record) -> None:
    """Reduce a record to all metrics of every sentence, as a user would."""
    logits = record.logit_max()
    for sentence in range(record.shape[0]):
        one = slice(sentence, sentence + 1)
        maps = MapsByRows(
            shape=record.shape[1:],
            rows=lambda first, end, one=one: (
                record.weights(one, rows=slice(first, end))[0].cpu().numpy()
            ),
            logit_max=None if logits is None else logits[sentence].cpu().numpy(),
        )
        compute_metrics(maps)


LATER = ", later pass"
SINKS = {
    "q, k, v": lambda record: (record.query, record.key, record.value),
    "all weights": lambda record: record.weights(),
    "all metrics": every_metric,
}


@cache
def passes(kind: str, tokens: int) -> dict[str, Case]:
    """Return what is measured of one forward pass of a batch."""
    words = torch.randint(0, WORDS, (SENTENCES, tokens))
    fused = model(kind, "sdpa")

    def captured(sink) -> None:
        with capture(fused, sink=sink, verify=False):
            fused(words)

    def captured_again(sink, lesson) -> None:
        with capture(fused, sink=sink, verify=False, lesson=lesson) as attention:
            fused(words)
        assert not attention.difference

    def metrics_again(lesson) -> None:
        """Reduce all sentences of all layers at once where they are short, else layer by layer."""
        metrics, short = registered_metrics(), []

        def reduce(record) -> None:
            maps = maps_of(record)
            if isinstance(maps[0], MapsByRows):
                metrics.compute_each(maps)
            else:
                short.extend(maps)

        captured_again(reduce, lesson)
        metrics.compute_each(short)

    def later(name) -> Case:
        lesson = Lesson()
        if name == "all metrics":
            return lambda: metrics_again(lesson)
        return lambda: captured_again(SINKS[name], lesson)

    again = {} if Lesson is None else {name + LATER: later(name) for name in SINKS}
    return {
        "plain": lambda: fused(words),
        "output_attentions": lambda: model(kind, "eager")(words, output_attentions=True),
        **{name: (lambda sink=sink: captured(sink)) for name, sink in SINKS.items()},
        **again,
    }


@cache
def peers(kind: str, tokens: int) -> dict[str, Case]:
    """Return how other tools read all weights of a forward pass, each the fastest way it has."""
    eager, words = model(kind, "eager"), torch.randint(0, WORDS, (SENTENCES, tokens))

    def nnsight() -> object:
        import nnsight as tool

        wrapped = tool.NNsight(eager)
        with wrapped.trace(words):
            weights = tool.save([layer.attn.output[1] for layer in wrapped.h])
        assert len(weights) == LAYERS
        return weights

    def torchlens() -> object:
        from torchlens import fastlog

        found = fastlog.record(eager, words, save=lambda call: call.func_name == "softmax")
        assert len(found) == LAYERS
        return found

    def every_tensor() -> object:
        import torchlens as tool

        return tool.trace(eager, words)

    return {"nnsight": nnsight, "TorchLens": torchlens, "TorchLens trace": every_tensor}


@cache
def steps(kind: str, tokens: int) -> dict[str, Case]:
    """Return a recorded step with default options, and plain passes of the sentences it reads."""
    trained = model(kind, "sdpa")

    def batches(seed: int) -> list[dict[str, torch.Tensor]]:
        draw = torch.Generator().manual_seed(seed)
        shape = (BATCH, tokens)
        ids = [torch.randint(5, WORDS, shape, generator=draw) for _ in range(PROBES // BATCH)]
        return [{"input_ids": each, "attention_mask": torch.ones_like(each)} for each in ids]

    val, train = batches(1), batches(2)
    recorder = AttentionRecorder(
        trained, val, train_batches=train, log_dir=tempfile.mkdtemp(), log_images=False
    )
    taken = iter(range(1, 1 << 20))
    return {
        "plain": lambda: [trained(**batch) for batch in (*val, *train)],
        "recorded step": lambda: recorder.record(step=next(taken), epoch=0),
    }


def main() -> None:
    """Answer until stdin ends."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        family, kind, tokens, name = json.loads(line)
        run = {"pass": passes, "peer": peers, "step": steps}[family](kind, tokens)[name]
        start = time.thread_time()  # others on the machine do not count
        with torch.no_grad():
            run()
        print(json.dumps(time.thread_time() - start), flush=True)


if __name__ == "__main__":
    main()
