"""timm, x-transformers, diffusers, torchvision and torchaudio through ``capture``.

    make zoo                                         all; resumes what it finds in build/field.jsonl
    python scripts/zoo/field.py ROWS [LIBRARY[:NAME]…]

Like ``sweep.py``: one process per entry, a time limit each, the same oracle and the same verdicts.
``field_page.py`` makes ``docs/zoo_field.md`` of the rows.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
ROOT = Path(__file__).parents[2]
paths = os.environ.get("ZOO_PATH", str(ROOT / ".venv" / "third_party"))
sys.path.extend(paths.split(os.pathsep))
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import torch  # noqa: E402

torch.set_num_threads(1)
# The wheel of torchvision is made for the CUDA build of torch: without it, these are missing.
_library = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import forge  # noqa: E402
import judge  # noqa: E402
from entry import Entry, Library  # noqa: E402
from forge import Row  # noqa: E402

SECONDS = float(os.environ.get("ZOO_SECONDS", "240"))
LIBRARIES = ("timm", "x_transformers", "diffusers", "torchvision", "torchaudio")


def library(name: str) -> Library:
    """Return what knows the models of a library."""
    return cast("Library", importlib.import_module(f"of_{name}"))


def of_entry(place: str) -> Row:
    """Return the row of one entry, ``library:name``."""
    shelf, _, name = place.partition(":")
    try:
        entry = library(shelf).built(name)
        torch.manual_seed(2)
        with torch.no_grad():
            entry.run()
    except Exception as error:
        return {"verdict": "not built", "why": f"{type(error).__name__}: {str(error)[:200]}"}
    rows: Row = {"plain": _judged(entry)}
    for way, change in entry.also.items():
        if change(entry.model):
            rows[way] = _judged(entry)
    entry = library(shelf).built(name)
    rows["train"] = _trained(entry)
    try:
        entry.model.eval()
        entry.halved()
        rows["bfloat16"] = _judged(entry)
    except Exception as error:
        rows["bfloat16"] = _failed(error)
    return {"class": type(entry.model).__name__, "variants": rows}


def _judged(entry: Entry) -> Row:
    def run() -> Any:
        torch.manual_seed(2)
        with torch.no_grad():
            return entry.run()

    try:
        run()
    except Exception as error:
        return _failed(error)
    return judge.judged(entry.model, run).row()


def _trained(entry: Entry) -> Row:
    try:
        return judge.trained(entry.model, entry.run)
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> Row:
    return {"verdict": "does not run", "why": f"{type(error).__name__}: {str(error)[:200]}"}


def main(rows: Path, chosen: list[str]) -> None:
    """Append the rows of what is chosen, or of everything that is not there yet."""
    rows.parent.mkdir(parents=True, exist_ok=True)
    done = set()
    if rows.exists() and not chosen:
        done = {json.loads(line)["name"] for line in rows.read_text().splitlines()}
    todo = [name for name in _places(chosen or list(LIBRARIES)) if name not in done]
    code = forge.commit(ROOT)
    with rows.open("a", encoding="utf-8") as out:
        for at, (name, row) in enumerate(forge.each(todo, of_entry, seconds=SECONDS)):
            out.write(json.dumps({**row, "code": code}) + "\n")
            out.flush()
            verdicts = {n: v["verdict"] for n, v in row.get("variants", {}).items()}
            print(f"{at + 1}/{len(todo)} {name} {row['seconds']} s", verdicts or row, flush=True)


def _places(chosen: list[str]) -> list[str]:
    found = []
    for name in chosen:
        shelf, _, entry = name.partition(":")
        try:
            entries = [entry] if entry else library(shelf).names()
        except (ImportError, LookupError, RuntimeError) as error:
            print(f"{shelf} is left out: {error}", flush=True)
            continue
        found += [f"{shelf}:{one}" for one in entries]
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
