"""Verdicts about the heads of each part: masks, padding, scale, positions, redundancy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.nouns import MEASURED, HeadId, Part
from attn_monitor.store import Run
from attn_monitor.verdicts.verdict import Evidence, Verdict, link, number

SATURATED = 0.4  # share of the entropy of even attention, in an untrained model
EVEN = 0.995  # likewise: a head that reads everything alike
OUTSIDE = 0.01  # share of attention on padding
SAME = 0.01  # head diversity: heads whose maps cannot be told apart
NEARBY = 0.15  # above even attention, where a head has learned a neighbour
BYTE = 1 / 255  # maps are stored with 8 bits


def mask(run: Run) -> Iterator[Verdict]:
    """Say of every part whether words can read what comes after them."""
    audit = run.remarks.audit
    tried = audit is not None and audit.holds is not None
    ahead_read = audit is not None and any(c.rule == "future" and c.leaks for c in audit.checks)
    for part in _selves(run):
        after = _metric(run, part, "right")
        now = number(mean_of_defined(after[-1], axes=(0, 1)))
        ahead = _metric(run, part, "next")[-1]
        best, where = _best(part, ahead)
        evidence: dict[str, Evidence] = {
            "part": part.name,
            "causal": part.causal,
            "after_itself": now,
            "best_next_word": best,
            "best_next_word_head": where,
        }
        if part.causal:
            text = f"{part.name}: causal; no word reads what comes after it"
        else:
            text = (
                f"{part.name}: no causal mask; {_share(now)} of all attention goes to later words. "
                f"{where} gives {_share(best)} to the next word. "
                "Right for an encoder; a model that predicts the next word reads its own answer"
            )
        yield Verdict(
            name="leak",
            # What was tried before training is the verdict; this says how much goes where.
            level="clear" if part.causal or (tried and not ahead_read) else "look",
            sentence=text,
            evidence=evidence,
            link=link(view="heads", part=part.name, metric="right"),
        )


def scale(run: Run) -> Iterator[Verdict]:
    """Say whether attention is saturated at the first recorded step."""
    for name in run.parts:
        part = run.part(name)
        entropy = number(mean_of_defined(_metric(run, part, "row_entropy")[0], axes=(0, 1)))
        if entropy is None:
            continue
        step = run.steps[0]
        bad = entropy < SATURATED
        logit = _metric(run, part, "logit_max")[0]
        when = "before training" if step == 0 else f"at step {step}, the first recorded"
        rest = (
            "an untrained head is even (near 1), so scores are too large: are they divided by "
            "sqrt(d_head)?"
            if bad
            else "not saturated"
        )
        yield Verdict(
            name="scale",
            level="clear" if not bad else ("found" if step == 0 else "look"),
            sentence=f"{name}: row entropy is {entropy:.2f} of even attention's {when}: {rest}",
            evidence={
                "part": name,
                "step": step,
                "row_entropy": entropy,
                "largest_logit": number(logit[np.isfinite(logit)].max(initial=-np.inf)),
            },
            link=link(view="heads", part=name, metric="row_entropy", step=step),
        )


def padding(run: Run) -> Iterator[Verdict]:
    """Say whether attention leaves the sentence."""
    for name in run.parts:
        part = run.part(name)
        outside = _metric(run, part, "outside")
        worst = mean_of_defined(outside, axes=(2,)).max(axis=1)  # of the layers, per step
        if not np.isfinite(worst).any():
            continue
        at = int(np.nanargmax(worst))
        most, step = number(worst[at]), run.steps[at]
        bad = most is not None and most > OUTSIDE
        yield Verdict(
            name="padding",
            level="found" if bad else "clear",
            sentence=f"{name}: {_share(most)} of a layer's attention at step {step} reaches no "
            "word of its sentence"
            + (": padding is attended to, unless the model has a learned sink" if bad else ""),
            evidence={"part": name, "step": step, "outside": most},
            link=link(view="heads", part=name, metric="outside", step=step),
        )


def redundant(run: Run) -> Iterator[Verdict]:
    """List layers whose heads are alike, and heads that read everything alike."""
    for name in run.parts:
        part = run.part(name)
        diversity = mean_of_defined(_metric(run, part, "head_diversity")[-1], axes=(1,))
        entropy = _metric(run, part, "row_entropy")[-1]
        alike = [at + 1 for at, value in enumerate(diversity) if value < SAME]
        even = [_label(part, la, h) for la, h in np.argwhere(entropy > EVEN).tolist()]
        words = [
            f"the heads of layer{'s' * (len(alike) > 1)} {', '.join(map(str, alike))} are alike"
            if alike
            else "",
            f"{', '.join(even)} read everything alike" if even else "",
        ]
        text = "; ".join(word for word in words if word) or "no two heads of a layer are the same"
        yield Verdict(
            name="redundant",
            level="found" if alike else ("look" if even else "clear"),
            sentence=f"{name}, step {run.steps[-1]}: {text}",
            evidence={
                "part": name,
                "layers_with_one_map": list(alike),
                "head_diversity": [number(value) for value in diversity],
                "even_heads": list(even),
            },
            link=link(view="heads", part=name, metric="head_diversity"),
        )


def positions(run: Run) -> Iterator[Verdict]:
    """Say whether any head has learned where words stand."""
    for name in run.parts:
        part = run.part(name)
        ahead = () if part.causal else ("next",)
        kinds = ("diagonal",) if part.kind == "cross" else ("prev", *ahead)
        found: dict[str, Evidence] = {"part": name}
        learned = False
        for kind in kinds:
            values = _metric(run, part, kind)[-1]
            best, where = _best(part, values)
            even = number(run.uniform(name)[:, _column(run, kind)].max()) if best else None
            found |= {kind: best, f"{kind}_head": where, f"{kind}_if_even": even}
            learned |= best is not None and even is not None and best > even + NEARBY
        if all(found[kind] is None for kind in kinds):
            continue
        blind = part.kind == "self" and not part.causal and _equal_words_have_equal_rows(run, name)
        found["equal_words_have_equal_rows"] = blind
        figures = ", ".join(f"best {k} {found[k]} (even: {found[f'{k}_if_even']})" for k in kinds)
        if blind:
            text = f"two places of one word have the same row: it knows no positions; {figures}"
        elif learned:
            text = figures
        elif part.kind == "cross":
            text = f"no diagonal: targets do not follow their sources ({figures}); are they pairs?"
        else:
            text = f"no head follows a neighbour ({figures}); wrong only if the task needs order"
        yield Verdict(
            name="positions",
            level="found" if blind else ("clear" if learned else "look"),
            sentence=f"{name}, step {run.steps[-1]}: {text}",
            evidence=found,
            link=link(view="heads", part=name, metric=kinds[0]),
        )


def _equal_words_have_equal_rows(run: Run, part: str) -> bool:
    """Return whether words that occur twice read alike in every layer, as without positions."""
    step, pairs = run.steps[-1], 0
    for probe in run.probes:
        words = probe.source.text
        again = [(words.index(word), at) for at, word in enumerate(words) if words.index(word) < at]
        kept = run.kept(probe.index)
        if not (probe.split in MEASURED and again) or (kept is not None and kept.form != "whole"):
            continue
        maps = run.attention(step=step, probe=probe.index, part=part, layer=0)
        if any(np.abs(maps[:, one] - maps[:, other]).max() > 2 * BYTE for one, other in again):
            return False
        pairs += len(again)
        if pairs >= 12:  # noqa: PLR2004  # more would not make it surer
            break
    return pairs > 0 and run.has_maps(step)


def _selves(run: Run) -> list[Part]:
    parts = [run.part(name) for name in run.parts]
    return [part for part in parts if part.kind == "self"]


def _column(run: Run, metric: str) -> int:
    return [spec.name for spec in run.metrics].index(metric)


def _metric(run: Run, part: Part, name: str) -> Float[np.ndarray, "step layer head"]:
    if name not in {spec.name for spec in run.metrics}:
        return np.full((len(run.steps), len(part.layers), part.heads), np.nan)
    return np.asarray(run.metric(name, part=part.name), dtype=np.float64)


def _best(part: Part, values: Float[np.ndarray, "layer head"]) -> tuple[float | None, str | None]:
    if not np.isfinite(values).any():
        return None, None
    layer, head = np.unravel_index(int(np.nanargmax(values)), values.shape)
    return number(values[layer, head]), _label(part, int(layer), int(head))


def _label(part: Part, layer: int, head: int) -> str:
    return HeadId(part.name, layer, head).label()


def _share(value: float | None) -> str:
    return "an unknown share" if value is None else f"{100 * value:.2g} %"
