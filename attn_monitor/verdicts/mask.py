"""Verdicts about what a recording says beside its steps: the mask audit."""

from __future__ import annotations

from collections.abc import Iterator

from attn_monitor.core.mask_audit import MaskCheck
from attn_monitor.store import Run
from attn_monitor.verdicts.verdict import Evidence, Verdict, link, number


def audit(run: Run) -> Iterator[Verdict]:
    """Say whether any output depended on a token that it must not read, before training."""
    found = run.remarks.audit
    if found is None or found.holds is None:
        return
    yield Verdict(
        name="leak",
        level="clear" if found.holds else "found",
        sentence=found.sentence.removeprefix("mask: "),
        evidence={
            "pairs": found.pairs,
            "leaks": found.leaks,
            "checks": [_evidence(check) for check in found.checks],
        },
        link=link(view="signals"),
    )


def _evidence(check: MaskCheck) -> Evidence:
    return {
        "rule": check.rule,
        "reader": check.reader,
        "read": check.read,
        "said_by": check.said_by,
        "pairs": check.pairs,
        "leaks": check.leaks,
        "query": check.query,
        "key": check.key,
        "size": number(check.size),
        "first": check.first,
        "during": check.during,
    }
