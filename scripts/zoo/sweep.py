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
WAYS = ("eager", "eager left", "sdpa", "sdpa left", "flex", "generation", "train", "bfloat16")
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
    """Return one row per way to run a type."""
    rows: Row = {}
    wanted = set(os.environ.get("ZOO_WAYS", ",".join(WAYS)).split(","))
    masked = "attention_mask" in fed
    best = model
    if "eager" in wanted:
        rows["eager"] = _guarded(model, fed)
    if "eager left" in wanted and masked:
        rows["eager left"] = _guarded(model, _left(fed))
    for name, flag in (("sdpa", "_supports_sdpa"), ("flex", "_supports_flex_attn")):
        if not (getattr(model, flag, False) and {name, f"{name} left"} & wanted):
            continue
        full = "flex_attention" if name == "flex" else name
        try:
            other = shrink.built(cls, shrink.configuration(kind, trial), full)
        except Exception as error:
            rows[name] = {"verdict": "not built", "why": str(error)[:200]}
            continue
        best = other if name == "sdpa" else best
        with torch.compiler.set_stance("force_eager" if name == "flex" else "default"):
            for way, given in ((name, fed), (f"{name} left", _left(fed) if masked else None)):
                if way in wanted and given is not None:
                    rows[way] = _guarded(other, given)
    if "generation" in wanted and "input_ids" in fed:
        rows |= _generation(shrink.generator_of(cls, kind, trial), fed)
    if "train" in wanted:
        rows["train"] = _train(best, fed)
    if "bfloat16" in wanted:
        rows["bfloat16"] = _guarded(best.eval().bfloat16(), _half(fed))
    return rows


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
        return {}
    known = inspect.signature(model.forward).parameters
    given = {n: v for n, v in fed.items() if not n.startswith("decoder_") and n in known}

    def run() -> Any:
        torch.manual_seed(2)
        return model.generate(**given, max_new_tokens=3, min_new_tokens=3, do_sample=False)

    try:
        run()
    except Exception as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        return {"generation": {"verdict": "does not run", "why": why}}
    return {"generation": judge.judged(model, run).row()}


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
    todo = [name for name in names or shrink.types() if name not in done]
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
