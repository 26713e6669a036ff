"""Every model type of transformers through ``capture``, against an oracle that shares no code.

    make zoo                                    all types; resumes what it finds in build/zoo.jsonl
    python scripts/zoo/sweep.py ROWS [TYPE…]    some types, appended to ROWS

Each type runs in a process of its own, forked from one that has everything imported, under a time
limit. ``page.py`` makes ``docs/zoo.md`` of the rows.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")
ROOT = Path(__file__).parents[2]
sys.path.append(os.environ.get("ZOO_PATH", str(ROOT / ".venv" / "third_party")))
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import torch  # noqa: E402

torch.set_num_threads(1)
# The wheel of torchvision is made for the CUDA build of torch: without it, these are missing.
_library = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import feed  # noqa: E402
import fit  # noqa: E402
import forge  # noqa: E402
import judge  # noqa: E402
import shrink  # noqa: E402
import transformers.integrations.flex_attention  # noqa: E402
import transformers.modeling_utils  # noqa: E402, F401
from torch import nn  # noqa: E402

SECONDS = 60
WAYS = (
    *("eager", "eager left", "sdpa", "sdpa left", "flex", "generation", "train", "bfloat16"),
    "two images",
)
# Switches that decide what a fused implementation computes; each is a type of its own here.
SWITCHED = ("falcon?alibi", "falcon?new_decoder_architecture", "falcon?multi_query")
Row = dict[str, Any]


def of_type(kind: str) -> Row:
    """Return the row of one type."""
    try:
        cls, trial, model, fed = fit.fitted(kind)
    except fit.UnfitError as error:
        return {"verdict": "not built", "why": list(error.args)[-6:]}
    ways = variants(kind, cls, trial, model, fed)
    return {"class": cls.__name__, "trial": trial, "fed": sorted(fed), "variants": ways}


def variants(kind: str, cls: Any, trial: shrink.Trial, model: nn.Module, fed: feed.Feed) -> Row:
    """Return one row per way to run a type; a way that it has not says why."""
    rows: Row = {}
    wanted = set(os.environ.get("ZOO_WAYS", ",".join(WAYS)).split(","))
    left = _left(fed) if "attention_mask" in fed else None
    best = model
    if "eager" in wanted:
        rows["eager"] = _guarded(model, fed)
    if "eager left" in wanted:
        rows["eager left"] = _guarded(model, left) if left else _none("it takes no mask")
    plain = {"": _answer(model, fed), " left": _answer(model, left)}
    for name, flag in (("sdpa", "_supports_sdpa"), ("flex", "_supports_flex_attn")):
        ways = [way for way in (name, f"{name} left") if way in wanted]
        try:
            if not ways or not getattr(model, flag, False):
                raise NotImplementedError(f"it has no {name} of its own")
            full = "flex_attention" if name == "flex" else name
            other = shrink.built(cls, shrink.configuration(kind, trial), full)
        except Exception as error:
            rows |= {way: _none(str(error)[:200]) for way in ways}
            continue
        best = other if name == "sdpa" else best
        with torch.compiler.set_stance("force_eager" if name == "flex" else "default"):
            for way in ways:
                side = way.removeprefix(name)
                given = left if side else fed
                if given is None:
                    rows[way] = _none("it takes no mask")
                    continue
                rows[way] = _guarded(other, given)
                rows[way]["apart"] = _apart(plain[side], _answer(other, given), given)
    if "generation" in wanted:
        generator = shrink.generator_of(cls, kind, trial) if "input_ids" in fed else None
        rows["generation"] = _generation(generator, fed)
    if "train" in wanted:
        rows["train"] = _train(best, fed)
    if "two images" in wanted:
        rows["two images"] = _two_images(best.eval(), fed)
    if "bfloat16" in wanted:
        rows["bfloat16"] = _guarded(best.eval().bfloat16(), _half(fed))
    return rows


def _none(why: str) -> Row:
    """Return the row of a way that a type has not."""
    return {"verdict": "not built", "why": why}


def _answer(model: nn.Module, fed: feed.Feed | None) -> torch.Tensor | None:
    """Return the first numbers that a model answers with; ``None`` where it does not run."""
    if fed is None:
        return None
    try:
        torch.manual_seed(2)
        with torch.no_grad(), judge.uncompiled():
            found = judge.tensors(model(**fed))
            return next((t.float() for t in found if t.is_floating_point()), None)
    except Exception:
        return None


def _apart(one: torch.Tensor | None, other: torch.Tensor | None, fed: feed.Feed) -> float | None:
    """Return how far two answers are apart where there are words, of the largest number."""
    if one is None or other is None or one.shape != other.shape:
        return None
    mask = fed.get("attention_mask")
    if mask is not None and mask.dim() == 2 and one.shape[:2] == mask.shape:
        one, other = one[mask.bool()], other[mask.bool()]
    apart = (one - other).abs().max() / one.abs().max().clamp_min(1e-6)
    return float(apart.nan_to_num(torch.inf))


def _two_images(model: nn.Module, fed: feed.Feed) -> Row:
    """Two images of unlike size: packed patch by patch, or one of them padded under a mask."""
    if any(name.endswith(("grid_thw", "grid_hws")) for name in fed):
        return _guarded(model, fed)
    pixels = fed.get("pixel_values")
    known = inspect.signature(model.forward).parameters
    if pixels is None or pixels.dim() != 4 or "pixel_mask" not in known:
        return _none("it takes no images of unlike size")
    seen = torch.ones(len(pixels), *pixels.shape[-2:], dtype=torch.long)
    seen[1, :, pixels.shape[-1] // 2 :] = 0
    return _guarded(model, {**fed, "pixel_mask": seen})


def _guarded(model: nn.Module, fed: feed.Feed) -> Row:
    def run() -> Any:
        torch.manual_seed(2)
        with torch.no_grad():
            return model(**fed)

    try:
        run()
    except Exception as error:
        return {"verdict": "does not run", "why": f"{type(error).__name__}: {str(error)[:200]}"}
    return judge.judged(model, run).row()


def _generation(model: nn.Module | None, fed: feed.Feed) -> Row:
    """Prefill, and two steps of one token with a cache."""
    if model is None:
        return _none("it generates no words")
    known = inspect.signature(model.forward).parameters
    given = {n: v for n, v in fed.items() if not n.startswith("decoder_") and n in known}

    def run() -> Any:
        torch.manual_seed(2)
        return model.generate(**given, max_new_tokens=3, min_new_tokens=3, do_sample=False)

    try:
        run()
    except Exception as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        return {"verdict": "does not run", "why": why}
    return judge.judged(model, run).row()


def _train(model: nn.Module, fed: feed.Feed) -> Row:
    try:
        return judge.trained(model, lambda: model(**fed))
    except Exception as error:
        return {"verdict": "does not run", "why": f"{type(error).__name__}: {str(error)[:200]}"}


def _left(fed: feed.Feed) -> feed.Feed:
    return {**fed, "attention_mask": fed["attention_mask"].flip(1)}


def _half(fed: feed.Feed) -> feed.Feed:
    return {
        n: v.bfloat16() if isinstance(v, torch.Tensor) and v.is_floating_point() else v
        for n, v in fed.items()
    }


def main(rows: Path, names: list[str]) -> None:
    rows.parent.mkdir(parents=True, exist_ok=True)
    done = set()
    if rows.exists() and not names:
        done = {json.loads(line)["name"] for line in rows.read_text().splitlines()}
    todo = [name for name in names or [*shrink.types(), *SWITCHED] if name not in done]
    code = forge.commit(ROOT)
    if todo:
        of_type("llama")  # so that what every child needs is loaded once
    with rows.open("a", encoding="utf-8") as out:
        for at, (name, row) in enumerate(forge.each(todo, of_type, seconds=SECONDS)):
            out.write(json.dumps({**row, "code": code}) + "\n")
            out.flush()
            verdicts = {n: v["verdict"] for n, v in row.get("variants", {}).items()}
            print(
                f"{at + 1}/{len(todo)} {name} {row['seconds']} s",
                verdicts or row["verdict"],
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
