"""The commands that run a model again: ``record`` from checkpoints, and ``ask`` one more text."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.store import Run, open_run


def add_record(parser: argparse.ArgumentParser, progress: Callable[[str, int, int], None]) -> None:
    """Add ``record --checkpoints PATTERN --model M:F --data M:F``."""
    parser.description = (
        "Record a training that is over from its checkpoints: files of Lightning, state dicts, "
        "checkpoint directories of transformers. Called again it goes on with new ones."
    )
    add = parser.add_argument
    add("--checkpoints", required=True, metavar="PATTERN", help="for example 'runs/x/*.ckpt'")
    add("--model", required=True, metavar="MODULE:FUNCTION", help="returns the model")
    add("--data", required=True, metavar="MODULE:FUNCTION", help="returns the validation batches")
    add("--train-data", metavar="MODULE:FUNCTION", help="returns the training batches")
    add("--tokens", metavar="MODULE:NAME", help="a tokenizer, or a function from ids to strings")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="the run's directory")
    parser.set_defaults(run_command=lambda options: _record(options, progress))


def add_ask(parser: argparse.ArgumentParser, progress: Callable[[str, int, int], None]) -> None:
    """Add ``ask RUN --checkpoint PATTERN --model M:F TEXT...``."""
    parser.description = (
        "Record further texts beside the sentences of a run, at checkpoints of steps that it has. "
        "They are shown in the tab as asked later, and are in no mean. What was recorded while "
        "the model trained is left as it is."
    )
    add = parser.add_argument
    add("run", help="run directory, for example lightning_logs/version_0")
    add("texts", nargs="+", metavar="TEXT", help='for example "another sentence"')
    add("--checkpoint", required=True, metavar="PATTERN", help="one or more: 'runs/x/*.ckpt'")
    add("--model", required=True, metavar="MODULE:FUNCTION", help="returns the model")
    add("--tokens", metavar="MODULE:NAME", help="a tokenizer, or a function from ids to strings")
    add("--tokenizer", metavar="MODULE:NAME", help="from a list of texts to what the model takes")
    add(
        "--mute",
        action="append",
        default=[],
        metavar="HEAD",
        help="L3H4, or decoder:L3H4, counted from 1 as in the tab: record every text a second "
        "time without this head, to compare with A - B; may be given several times",
    )
    parser.set_defaults(run_command=lambda options: _ask(options, progress))


def _ask(options: argparse.Namespace, progress: Callable[[str, int, int], None]) -> tuple[str, int]:
    run = open_run(options.run)
    indices = run.ask(
        _named(options.model)(),
        options.texts,
        checkpoints=options.checkpoint,
        mute=options.mute,
        tokens=_named(options.tokens) if options.tokens else None,
        tokenizer=_named(options.tokenizer) if options.tokenizer else None,
        progress=progress,
    )
    return "\n".join(_line(run, index) for index in indices), 0


def _line(run: Run, index: int) -> str:
    probe = run.probe(index)
    without = ", ".join(f"{head.part} {head.label()}" for head in probe.muted)
    return (
        f"probe {index}{f' without {without}' if without else ''}: {' '.join(probe.source.text)}\n"
        f"     #p.attn_monitor.probe={index}"
    )


def _record(
    options: argparse.Namespace, progress: Callable[[str, int, int], None]
) -> tuple[str, int]:
    from attn_monitor.checkpoints import record_checkpoints  # noqa: PLC0415  # needs torch

    steps = record_checkpoints(
        _named(options.model)(),
        _named(options.data)(),
        options.checkpoints,
        log_dir=options.output,
        train_batches=_named(options.train_data)() if options.train_data else None,
        tokens=_named(options.tokens) if options.tokens else None,
        progress=progress,
    )
    return f"{options.output}: {len(steps)} steps recorded now", 0


def _named(text: str) -> Any:  # noqa: ANN401  # whatever the user names
    module, colon, name = text.partition(":")
    if not colon:
        raise ConfigurationError(f"{text!r} is not of the form module:function")
    sys.path.insert(0, "")  # as `python -m` does: modules of the current directory
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{text} cannot be imported: {error}") from error
    finally:
        sys.path.remove("")
