"""What all tests begin with: shapes are checked, and the files that take longest begin first."""

import importlib
import os
from pathlib import Path

from jaxtyping import install_import_hook

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "attn_monitor"
SLOW = (
    "integration/test_gallery.py",
    "e2e/test_signals.py",
    "unit/test_quality.py",
    "integration/test_examples.py",
    "integration/test_on_signal.py",
    "e2e/test_tab.py",
    "e2e/test_comparison.py",
    "unit/signals/test_newest.py",
    "e2e/test_graph.py",
    "e2e/test_translation.py",
    "e2e/test_large.py",
    "e2e/test_heads_over_time.py",
    "integration/test_notebook.py",
    "integration/test_packaging.py",
)


# Where arrays are computed. SHAPES=all checks every folder, which takes a fifth longer.
CHECKED = ("analysis", "core", "figures", "signals", "wrapper")


def shaped() -> list[str]:
    """Name the modules whose signatures tell shapes; types alone are what mypy checks."""
    everything = os.environ.get("SHAPES") == "all"
    folders = [PACKAGE] if everything else [PACKAGE / name for name in CHECKED]
    found = (file for folder in folders for file in folder.rglob("*.py"))
    files = [file for file in found if "from jaxtyping" in file.read_text()]
    return [".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files]


# Every call of these is held to the shapes it promises. The checks record warnings while they are
# put on; put on in the thread that draws pictures, they would take what the training thread says
# meanwhile, so what that thread imports is imported now.
install_import_hook(shaped(), "beartype.beartype")
importlib.import_module("attn_monitor.figures.head_grid")


def pytest_collection_modifyitems(items):
    place = {str(HERE / name): at for at, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(str(item.path), len(place)))
