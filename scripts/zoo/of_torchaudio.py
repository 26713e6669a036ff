"""torchaudio: its Conformer and Emformer, which are Python; its compiled library is not loaded.

``ZOO_TORCHAUDIO`` names the folder that it was installed to, which is its own: other libraries
would import it, and its wheel fits no newer PyTorch.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import torch
from entry import Entry, drawn
from torch import nn

TITLE = "torchaudio"
_NAMES = ("Conformer", "Conformer, group norm", "Emformer", "Emformer, memory", "Emformer, steps")


def version() -> str:
    """Return the library's version."""
    found = metadata.distributions(name="torchaudio", path=[str(_folder())])
    return next(iter(found)).version


def names() -> list[str]:
    """Return the models that are tried."""
    _folder()
    return list(_NAMES)


def _folder() -> Path:
    folder = os.environ.get("ZOO_TORCHAUDIO")
    if not folder:
        raise LookupError("ZOO_TORCHAUDIO is not set; wanted: the folder it was installed to")
    return Path(folder)


def built(name: str) -> Entry:
    """Return a model with two stretches of sound of unlike length."""
    torch.manual_seed(1)
    lengths = torch.tensor([24, 18])
    if name.startswith("Conformer"):
        conformer = _models("conformer").Conformer
        model = conformer(16, 4, 32, 2, 3, use_group_norm="group" in name)
        return Entry(drawn(model), (torch.randn(2, 24, 16), lengths))
    steps, memory = "steps" in name, 2 if "memory" in name or "steps" in name else 0
    emformer = _models("emformer").Emformer
    model = emformer(
        16, 4, 32, 2, 8, left_context_length=4, right_context_length=2, max_memory_size=memory
    )
    if steps:
        return Entry(drawn(_Steps(model)), (torch.randn(2, 26, 16),))
    return Entry(drawn(model), (torch.randn(2, 26, 16), lengths))


class _Steps(nn.Module):
    """Sound that arrives segment by segment, with the state of the one before."""

    def __init__(self, emformer: nn.Module) -> None:
        super().__init__()
        self.emformer = emformer

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Return what all segments became."""
        state, found = None, []
        for first in range(0, 24, 8):
            segment = sound[:, first : first + 10]
            out, _, state = self.emformer.infer(segment, torch.full((2,), 10), state)
            found.append(out)
        return torch.cat(found, 1)


def _models(name: str) -> ModuleType:
    """Import one file of the package without the package's own beginning."""
    for package in ("torchaudio", "torchaudio.models"):
        if package not in sys.modules:
            module = ModuleType(package)
            module.__path__ = [str(_folder() / package.replace(".", "/"))]
            sys.modules[package] = module
    return importlib.import_module(f"torchaudio.models.{name}")
