"""Every figure a user is shown about a signal is in the published study."""

import re
from pathlib import Path

import pytest

from attn_monitor.signals import trust
from attn_monitor.signals.output_signals import ALPHA, TIMES

DOCS = Path(__file__).parents[3] / "docs"
STUDY = " ".join((DOCS / "overfitting.md").read_text().split())
STUDIES = f"{STUDY} {' '.join((DOCS / 'growth.md').read_text().split())}"


@pytest.mark.parametrize(
    "name", ["FLAG", "SUPPORT", "SEPARATION", "TOPOLOGY", "STABILITY", "GROWTH"]
)
def test_counts_of_runs_are_those_of_the_studies(name):
    counts = re.findall(r"\d+ of \d+", getattr(trust, name))
    assert counts
    for count in counts:
        assert count in STUDIES, count


def test_the_page_names_the_rule_as_shipped():
    assert f"p ≤ {ALPHA} at two recorded steps in a row" in STUDY
    assert TIMES == 2
