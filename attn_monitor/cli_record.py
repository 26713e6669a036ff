"""The command that records a training that is over: ``record``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attn_monitor.core.errors import ConfigurationError


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
