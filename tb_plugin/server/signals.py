"""What a run shows about memorisation, with the figures behind it. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from attn_monitor.core.mask_audit import MaskAudit, worst_first
from attn_monitor.signals import assess
from attn_monitor.signals.trust import GROWTH, MASK
from attn_monitor.store import Run
from tb_plugin.server.plain import plain, told


def describe_signals(run: Run) -> Mapping[str, object]:
    """Return the curves, the verdict and how far to trust it; see ``http_api.md``, ``/signals``.

    Values per head are left out: the page draws one line per signal, and they are many.
    """
    found = assess(run)
    signals = [told(plain(replace(signal, heads=()))) for signal in found.signals]
    return {
        "steps": plain(found.steps),
        "epochs": plain(found.epochs),
        "losses": told(plain(found.losses)),
        "signals": signals,
        "state": found.state,
        "headline": found.headline,
        "mask": None if found.mask is None else _mask(found.mask),
        "growth": [plain(finding) for finding in found.growth],
        "growth_trust": GROWTH,
    }


def _mask(audit: MaskAudit) -> Mapping[str, object]:
    return {
        "holds": audit.holds,
        "pairs": audit.pairs,
        "leaks": audit.leaks,
        "sentences": [check.sentence for check in worst_first(audit.checks)] or [audit.unknown],
        "trust": MASK,
    }
