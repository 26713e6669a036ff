"""Programs in processes of their own, which need not import torch and Lightning anew each time.

Every program is a child of one server process that has imported the packages and done nothing
else, so it starts as clean as a new interpreter does, some nine seconds of one processor sooner.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["lightning.pytorch", "transformers.trainer", "matplotlib.pyplot", "tensorboard.main"]
)


@dataclass(frozen=True)
class Done:
    """What became of a program."""

    returncode: int | None
    stdout: str
    stderr: str


class Program:
    """``python FILE``, ``python -m MODULE`` or ``python -c CODE`` with arguments, running."""

    def __init__(
        self,
        *arguments: str,
        file: Path | None = None,
        code: str = "",
        module: str = "",
        cwd: Path = ROOT,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="program-")
        said = tuple(str(Path(self._folder.name) / name) for name in ("stdout", "stderr"))
        for name in said:
            Path(name).touch()
        self._said = said
        what = ("code", code) if code else ("module", module) if module else ("file", str(file))
        changed = {**os.environ, **(environment or {})}
        self._process: Any = FORKS.Process(
            target=_run, args=(what, arguments, said, str(cwd), changed)
        )
        self._process.start()

    def poll(self) -> int | None:
        """Return the exit status, or nothing while the program runs."""
        return self._process.exitcode

    def stop(self) -> Done:
        """End the program as the system ends one, by SIGTERM."""
        self._process.terminate()
        return self.wait()

    def wait(self, timeout: float | None = None) -> Done:
        """Wait for the end; a program that takes longer than ``timeout`` seconds is stopped."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        out, err = (Path(name).read_text(encoding="utf-8") for name in self._said)
        self._folder.cleanup()
        return Done(self._process.exitcode, out, err)


def run_program(*arguments: str, **options: Any) -> Done:
    """Run a :class:`Program` to its end."""
    return Program(*arguments, **options).wait(840)


def _run(
    what: tuple[str, str],
    arguments: tuple[str, ...],
    said: tuple[str, str],
    cwd: str,
    environment: dict[str, str],
) -> None:
    """Be, in the child, what the interpreter would be that was given this program."""
    for descriptor, name in enumerate(said, start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), descriptor)
    sys.stdout, sys.stderr = (os.fdopen(at, "w", encoding="utf-8", closefd=False) for at in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    kind, text = what
    sys.argv = ["-c" if kind == "code" else text, *arguments]
    sys.path[0] = str(Path(text).parent) if kind == "file" else cwd
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    status: Any = 0
    try:
        if kind == "code":
            exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
        elif kind == "module":
            runpy.run_module(text, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(text, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever the interpreter would have printed and ended with
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(status)
