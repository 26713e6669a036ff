"""Train other people's models with and without the monitor, and compare everything they leave.

    make wild                                    all of them; resumes what it finds in build/wild
    python scripts/wild/run.py FOLDER [LIBRARY…]  some libraries, appended to FOLDER/rows.jsonl

Each library has an environment of its own, made beside this one: what is installed here stays
visible there, so that torch is the same. Each training runs in a process of its own, under a time
limit. ``page.py`` makes ``docs/wild.md`` of the rows.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = 600  # for one training; on one processor the slowest takes a minute
WAYS = ("plain", "watched")
ALONE = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Program:
    """What a file of `libraries/` says of itself, read without importing what it needs.

    Attributes:
        name: The library.
        requirements: What to install for it.
        line: How the monitor gets there, as a user writes it.
        models: What it trains.
    """

    name: str
    requirements: tuple[str, ...]
    line: str
    models: tuple[str, ...]


def programs() -> Iterator[Program]:
    """Yield every program of `libraries/`."""
    for path in sorted((HERE / "libraries").glob("*_models.py")):
        said: dict[str, ast.expr] = {
            node.targets[0].id: node.value
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        models = cast("ast.Dict", said["MODELS"])
        yield Program(
            path.stem.removesuffix("_models"),
            ast.literal_eval(said["REQUIREMENTS"]),
            ast.literal_eval(said["LINE"]),
            tuple(ast.literal_eval(key) for key in models.keys if key is not None),
        )


def environment(program: Program, folder: Path) -> Path:
    """Return the Python of a library's environment, made if it is not there yet."""
    place = folder / "environments" / program.name
    python, mark = place / "bin" / "python", place / ".installed"
    wanted = "\n".join(program.requirements)
    if mark.exists() and mark.read_text() == wanted:
        return python
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=False)
    beside = [str(ROOT), *(entry for entry in sys.path if "site-packages" in entry)]
    [packages] = place.glob("lib/python*/site-packages")
    (packages / "beside.pth").write_text("".join(f"{entry}\n" for entry in beside))
    pins = place / "constraints.txt"
    pins.write_text(_torch() + "\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    options = ["install", "--quiet", "--no-warn-script-location", "-c", str(pins)]
    subprocess.run([*pip, *options, *program.requirements], check=True)
    mark.write_text(wanted)
    return python


def _torch() -> str:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in pins if line.startswith("torch=="))


def compared(program: Program, model: str, python: Path, folder: Path) -> Row:
    """Train one model twice; return what differs, and what was recorded."""
    place = folder / "trainings" / program.name / model
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    row: Row = {"library": program.name, "model": model, "line": program.line}
    found = {}
    for how in WAYS:
        command = [str(python), str(HERE / "one.py"), program.name, model, how, str(place)]
        with (place / f"{how}.log").open("w") as log:
            try:
                ended = subprocess.run(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **ALONE},
                    timeout=SECONDS,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return {**row, "failed": f"{how}: no end after {SECONDS} s"}
        if ended:
            last = (place / f"{how}.log").read_text(errors="replace").strip().splitlines()[-1:]
            return {**row, "failed": f"{how}: {' '.join(last)}"}
        found[how] = json.loads((place / f"{how}.json").read_text())
    plain, watched = (found[how] for how in WAYS)
    unequal = sorted(k for k in plain["hashes"] if plain["hashes"][k] != watched["hashes"][k])
    kept = {key: watched[key] for key in ("versions", "recorded", "said", "hashes", "batches")}
    seconds = [plain["seconds"], watched["seconds"]]
    return {**row, "unequal": unequal, "seconds": seconds, **kept}


def rows_of(folder: Path) -> dict[tuple[str, str], Row]:
    """Return the newest row of every model."""
    file = folder / "rows.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {(row["library"], row["model"]): row for row in map(json.loads, lines)}


def main(place: str, *wanted: str) -> int:
    folder = Path(place).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    known = rows_of(folder)
    for program in programs():
        if wanted and program.name not in wanted:
            continue
        due = [
            model
            for model in program.models
            if wanted or "failed" in known.get((program.name, model), {"failed": ""})
        ]
        if not due:
            continue
        try:
            python = environment(program, folder)
        except subprocess.CalledProcessError as error:
            print(f"{program.name}: not installed ({error})")
            continue
        for model in due:
            row = compared(program, model, python, folder)
            with (folder / "rows.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(program.name, model, row.get("failed") or row["unequal"] or "equal", flush=True)
    rows = rows_of(folder).values()
    return int(any("failed" in row or row["unequal"] for row in rows))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
