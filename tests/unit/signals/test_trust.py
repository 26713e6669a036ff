"""Every figure a user is shown about a signal is in the published study."""

import re
from pathlib import Path

import pytest

from attn_monitor.signals import trust
from attn_monitor.signals.output_signals import ALPHA, TIMES

STUDY = (Path(__file__).parents[3] / "docs" / "overfitting.md").read_text()


@pytest.mark.parametrize("name", ["FLAG", "SUPPORT", "SEPARATION", "TOPOLOGY", "STABILITY"])
def test_counts_of_runs_are_those_of_the_study(name):
    counts = re.findall(r"\d+ of \d+", getattr(trust, name))
    assert counts
    published = " ".join(STUDY.split())
    for count in counts:
        assert count in published, count


def test_the_page_names_the_rule_as_shipped():
    text = " ".join(STUDY.split())
    assert f"p ≤ {ALPHA} at two recorded steps in a row" in text
    assert TIMES == 2
