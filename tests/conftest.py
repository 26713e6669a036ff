"""Files whose tests take longest begin first, so that no worker is left with one at the end."""

from pathlib import Path

# The type checks on our functions record warnings while they are put on. Put on in the thread that
# draws, they would take what is said in the training thread meanwhile, so this is imported now.
import attn_monitor.figures.head_grid  # noqa: F401

HERE = Path(__file__).parent
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


def pytest_collection_modifyitems(items):
    place = {str(HERE / name): at for at, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(str(item.path), len(place)))
