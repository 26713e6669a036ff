"""Does score growth warn of a divergence? The study of docs/growth.md, about ten minutes.

python examples/growth_study.py run growth_runs.jsonl     # 48 small trainings
python examples/growth_study.py judge growth_runs.jsonl   # choose on one half, judge the other
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path

import numpy as np
import torch
from buggy_parts import WORDS, Attention, Switches, sentence
from torch import Tensor, nn
from torch.nn import functional as F

from attn_monitor.core.nouns import Layer, Part
from attn_monitor.core.remarks import NUMBERS, Reading
from attn_monitor.monitor.failures import Failures
from attn_monitor.monitor.growth_watch import Growth
from attn_monitor.signals.growth import LIMIT, GrowthRule, forecast, lines, met

RUNS, STEPS, EVERY, TOKENS, BATCH = 48, 600, 5, 32, 16
RULES = [
    GrowthRule(readings=r, horizon=h, floor=f)
    for r, h, f in itertools.product((8, 12), (1.0, 2.0, 4.0), (5.0, 10.0, 20.0))
]


class Model(nn.Module):
    """Two layers of causal attention and feed-forward networks."""

    def __init__(self, width: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(len(WORDS), width), nn.Embedding(TOKENS, width)
        switches = Switches(causal=True, mask_padding=False)
        self.attention = nn.ModuleList(Attention(width, heads, switches) for _ in range(2))
        self.think = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, width)) for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.answer = nn.Linear(width, len(WORDS))

    def forward(self, ids: Tensor) -> Tensor:
        states = self.words(ids) + self.places.weight
        for at, (attention, think) in enumerate(zip(self.attention, self.think, strict=True)):
            states = states + attention(self.norms[2 * at](states), ids)
            states = states + think(self.norms[2 * at + 1](states))
        return self.answer(states)


def text(count: int) -> Tensor:
    """Return one long text of sentences."""
    random, ids = np.random.default_rng(0), {word: at for at, word in enumerate(WORDS)}
    words = itertools.chain.from_iterable(sentence(random)[0] for _ in range(count))
    return torch.tensor([ids[word] for word in words])


def train(number: int, corpus: Tensor) -> dict[str, object]:
    """Train one model while its learning rate rises; return losses and what the watch read."""
    random = np.random.default_rng(1000 + number)
    low, high = (1e-3, 1e-2) if number % 4 < 2 else (1e-1, 5e-1)
    rate = float(np.exp(random.uniform(math.log(low), math.log(high))))
    torch.manual_seed(number)
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    layers = tuple(Layer(name=f"attention.{at}", heads=4) for at in range(2))
    readings: list[Reading] = []
    watch = Growth(
        model,
        [Part(name="decoder", kind="self", causal=True, layers=layers)],
        every=EVERY,
        failures=Failures(),
        give=readings.append,
        replay=lambda: None,
    )
    losses: list[float] = []
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = rate * (step + 1) / STEPS
        starts = torch.from_numpy(random.integers(0, len(corpus) - TOKENS - 1, BATCH))
        ids = torch.stack([corpus[start : start + TOKENS + 1] for start in starts])
        with watch.watching(step):
            answers = model(ids[:, :-1])
        loss = F.cross_entropy(answers.flatten(0, 1), ids[:, 1:].flatten())
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {
        "number": number,
        "rate": rate,
        "losses": [round(loss, 4) if math.isfinite(loss) else None for loss in losses],
        "steps": [reading.step for reading in readings],
        "numbers": list(NUMBERS),
        "heads": [np.round(reading.heads["decoder"], 4).tolist() for reading in readings],
    }


def divergence(losses: list[float | None]) -> int | None:
    """Return the step at which the loss leaves its band for good, by the protocol."""
    first = float(np.mean([loss for loss in losses[:5] if loss is not None]))
    smooth, lowest, above = first, first, 0
    for step, loss in enumerate(losses):
        if loss is None:
            return step - above
        smooth = 0.9 * smooth + 0.1 * loss
        lowest = min(lowest, smooth)
        above = above + 1 if smooth > lowest + max(0.2 * (first - lowest), 0.1) else 0
        if above == 20:
            return step - 19
    return None


def alarm(run: dict, rule: GrowthRule) -> tuple[int, tuple[float, float, float]] | None:
    """Return the step of the first alarm, and when the head is forecast to pass the limit."""
    scores = np.array(run["heads"], dtype=float)[:, 0]
    steps = np.array(run["steps"], dtype=float)
    if len(steps) < rule.readings:
        return None
    told = met(lines(steps, scores, rule.readings), rule)
    ends = np.flatnonzero(told.any(axis=(1, 2)))
    if not len(ends):
        return None
    last = int(ends[0]) + rule.readings
    head = tuple(int(x) for x in np.argwhere(told[ends[0]])[0])
    found = forecast(lines(steps[:last], scores[:last], rule.readings), head)
    passed = steps[scores[(slice(None), *head)] > LIMIT]
    real = float(passed[0]) if len(passed) else math.inf
    return int(steps[last - 1]), (found.earliest, found.latest, real)


def level(run: dict, limit: float = 50.0) -> int | None:
    """Return the step at which the largest score passes a level: the older rule."""
    peak = np.nanmax(np.array(run["heads"], dtype=float)[:, 0], axis=(1, 2))
    above = np.flatnonzero(peak > limit)
    return int(run["steps"][above[0]]) if len(above) else None


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return a 95 % interval of a share."""
    if of == 0:
        return math.nan, math.nan
    z, share = 1.96, hits / of
    middle, half = (
        share + z * z / 2 / of,
        z * math.sqrt(share * (1 - share) / of + z * z / 4 / of**2),
    )
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def score(runs: list[dict], alarms: list[int | None]) -> dict[str, object]:
    """Return how alarms compare with what the losses did."""
    ends = [divergence(run["losses"]) for run in runs]
    lead = [e - a for e, a in zip(ends, alarms, strict=True) if e is not None and a is not None]
    warned = [x for x in lead if x > 0]
    sick, healthy = sum(e is not None for e in ends), sum(e is None for e in ends)
    false = sum(a is not None for e, a in zip(ends, alarms, strict=True) if e is None)
    return {
        "diverging": sick,
        "warned": len(warned),
        "late": len(lead) - len(warned),
        "healthy": healthy,
        "false": false,
        "lead": (float(np.median(warned)), min(warned), max(warned)) if warned else None,
        "warned_interval": wilson(len(warned), sick),
        "false_interval": wilson(false, healthy),
    }


def merit(runs: list[dict], rule: GrowthRule) -> tuple[float, float]:
    """Return what the rule is chosen by."""
    found = score(runs, [None if (a := alarm(run, rule)) is None else a[0] for run in runs])
    gain = found["warned"] / max(1, found["diverging"]) - found["false"] / max(1, found["healthy"])
    return gain, found["lead"][0] if found["lead"] else 0.0


def judge(runs: list[dict]) -> dict[str, object]:
    """Choose a rule on the even runs, and judge it once on the odd ones."""
    development = [run for run in runs if run["number"] % 2 == 0]
    held_out = [run for run in runs if run["number"] % 2]
    rule = max(RULES, key=lambda rule: merit(development, rule))
    told = [alarm(run, rule) for run in held_out]
    inside = [
        early <= real <= (late if math.isfinite(late) else math.inf)
        for early, late, real in (found[1] for found in told if found is not None)
    ]
    counted = (int(sum(inside)), len(inside))
    return {
        "rule": (rule.readings, rule.horizon, rule.floor),
        "development": merit(development, rule),
        "growth": score(held_out, [None if found is None else found[0] for found in told]),
        "level 50": score(held_out, [level(run) for run in held_out]),
        "forecast": counted,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["run", "judge"])
    parser.add_argument("file", nargs="?", default="growth_runs.jsonl")
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    path = Path(options.file)
    if options.what == "run":
        torch.set_num_threads(1)
        corpus = text(4000)
        with path.open("a", encoding="utf-8") as out:
            done = len(path.read_text(encoding="utf-8").splitlines())
            for number in range(done, options.runs):
                out.write(json.dumps(train(number, corpus)) + "\n")
                out.flush()
                print(f"{number + 1} of {options.runs}", flush=True)
        return
    runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    print(json.dumps(judge(runs), indent=1, default=float))


if __name__ == "__main__":
    main()
