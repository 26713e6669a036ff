import re
from pathlib import Path

import numpy as np
import pytest

from attn_monitor.analysis import compute_metrics, metric_specs, registered_metrics
from attn_monitor.analysis.metrics import registry
from attn_monitor.analysis.topology import TOPOLOGY_METRICS
from attn_monitor.core.maps import Maps

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def test_the_page_explains_every_metric_there_is():
    page = PAGE.read_text(encoding="utf-8")
    specs = (registered_metrics() + TOPOLOGY_METRICS).specs
    assert [spec.name for spec in specs if f"`{spec.name}`" not in page] == []


def test_the_page_shows_only_pictures_that_exist():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert len(pictures) >= 7
    assert [name for name in pictures if not (PAGE.parent / name).is_file()] == []


def test_the_example_of_an_own_metric_works_as_printed():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {"__name__": "example"})  # noqa: S102  # our own page
    assert metric_specs()[-1].name == "peak"
    assert compute_metrics(Maps(attn=np.eye(3)[None]))[0, -1] == 1
