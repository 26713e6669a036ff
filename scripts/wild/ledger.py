"""What a training was and what it left, as hashes: batches, losses, weights, states, files."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

# Several libraries write their callbacks into hparams.yaml, the monitor's options among them.
LISTED = re.compile(r"^- !!python/object:attn_monitor\..*\n(?:  .*\n)*", re.MULTILINE)
OURS = "plugins/attn_monitor/"
OUR_TAGS = ("attention/", "z_attention/", "attn_monitor")
WRITTEN_BY_TORCH = {".ckpt", ".pt", ".pth", ".bin", ".pkl"}


class Ledger:
    """Hashes of one training, by kind; two trainings are the same where all of them are."""

    def __init__(self) -> None:
        self._running = {kind: hashlib.blake2b(digest_size=8) for kind in ("batches", "losses")}
        self.batches = 0
        self.hashes: dict[str, str] = {}

    def batch(self, kind: str, batch: object) -> None:
        """Note a batch that training or validation was given."""
        self.batches += 1
        self._running["batches"].update(f"{kind} {digest(batch)}".encode())

    def loss(self, value: object) -> None:
        """Note what a step came to."""
        self._running["losses"].update(digest(value).encode())

    def close(self, model: nn.Module, optimizers: object, folder: Path) -> None:
        """Note the state at the very end, and the files."""
        drawn = [random.getstate(), np.random.get_state(), torch.get_rng_state()]  # noqa: NPY002
        self.hashes = {kind: running.hexdigest() for kind, running in self._running.items()}
        self.hashes["random"] = digest(drawn)
        self.hashes["weights"] = digest(dict(model.state_dict()))
        self.hashes["optimizer"] = digest(optimizers)
        self.hashes["files"] = digest(dict(files(folder)))


def digest(value: object) -> str:
    """Return a hash of nested containers, tensors, arrays and plain values; of others, the type."""
    found = hashlib.blake2b(digest_size=8)
    for piece in _pieces(value):
        found.update(piece)
    return found.hexdigest()


def _pieces(value: object) -> Iterator[bytes]:
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        yield f"tensor {value.dtype} {tuple(value.shape)}".encode()
        yield value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray):
        yield f"array {value.dtype} {value.shape}".encode()
        yield value.tobytes() if value.dtype != object else repr(value.tolist()).encode()
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            yield repr(key).encode()
            yield from _pieces(value[key])
    elif isinstance(value, list | tuple):
        yield f"{len(value)} of".encode()
        for item in value:
            yield from _pieces(item)
    elif value is None or isinstance(value, bool | int | float | str | bytes):
        yield repr(value).encode()
    else:
        yield type(value).__qualname__.encode()


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what a training wrote, name and hash of the content, without the recording."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or OURS in name:
            continue
        if "tfevents" in path.name:
            continue  # their names hold the time; what they say is compared below
        if path.suffix in WRITTEN_BY_TORCH:
            loaded = torch.load(path, map_location="cpu", weights_only=False)
            if isinstance(loaded, dict):
                callbacks = loaded.get("callbacks")
                if isinstance(callbacks, dict):
                    callbacks.pop("AttentionMonitor", None)
            yield name, digest(loaded)
        else:
            yield name, digest(LISTED.sub("", path.read_text("utf-8", "replace")))
    yield "event files", digest(_scalars(folder))


def _scalars(folder: Path) -> list[tuple[str, str, int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    for path in sorted(folder.rglob("*tfevents*")):
        read = EventAccumulator(str(path), size_guidance={"scalars": 0}).Reload()
        where = path.parent.relative_to(folder).as_posix()
        for tag in read.Tags()["scalars"]:
            if not tag.startswith(OUR_TAGS):
                found += [(where, tag, e.step, e.value) for e in read.Scalars(tag)]
    return sorted(found)
