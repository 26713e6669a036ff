"""Forecasts of growing scores, against lines that are known and against a fit of scipy's."""

import numpy as np
import pytest
from scipy import stats

from attn_monitor.core.mask_audit import MaskAudit, MaskCheck
from attn_monitor.core.remarks import Reading, Remarks
from attn_monitor.signals import remark_signals
from attn_monitor.signals.growth import RULE, cause, forecast, lines, met
from attn_monitor.signals.mask_and_growth_findings import growth_findings


def remarks(scores, *, query=1.0, key=1.0, every=10):
    """Return readings of one layer whose heads have these scores, queries and keys."""
    scores = np.asarray(scores, float)
    ones = np.ones_like(scores)
    return Remarks(
        readings=tuple(
            Reading(
                step=every * at,
                heads={"decoder": np.stack([s, o, o * q, o * k])[:, None].astype(np.float32)},
            )
            for at, (s, o, q, k) in enumerate(
                zip(scores, ones, ones * query, ones * key, strict=True)
            )
        )
    )


def test_a_line_is_scipys_with_its_interval():
    random = np.random.default_rng(0)
    steps = np.cumsum(random.integers(5, 15, 8)).astype(float)
    scores = np.exp(0.01 * steps + 0.1 * random.normal(size=8))
    found = lines(steps, scores[:, None], 8)
    fit = stats.linregress(steps, np.log(scores))
    assert found.slope[0, 0] == pytest.approx(fit.slope, rel=1e-9)
    assert found.error[0, 0] == pytest.approx(stats.t.ppf(0.975, 6) * fit.stderr, rel=1e-3)
    ahead = forecast(found, (0,))
    assert ahead.at == pytest.approx((np.log(100) - fit.intercept) / fit.slope, rel=1e-9)
    assert ahead.earliest < ahead.at
    assert not ahead.latest < ahead.at  # or never


def test_growth_is_told_once_it_leads_past_the_limit_with_its_cause_and_date():
    rate = 0.01
    scores = 8 * np.exp(rate * 10 * np.arange(30))[:, None] * [1.0, 0.5]
    told = remarks(scores, query=np.exp(rate * 10 * np.arange(30))[:, None])
    [finding] = growth_findings(told)
    assert finding.head == "L1 H1"
    # From the first window that ends less than its span of 70 steps before 100 is passed.
    passes = np.log(100 / 8) / rate
    assert finding.fired == 10 * np.ceil((passes - 70) / 10)
    early = growth_findings(Remarks(readings=told.readings[:20]))[0]
    assert early.forecast.at == pytest.approx(passes, abs=1)
    assert "queries grow, keys flat" in early.sentence
    assert f"passes 100 in about {passes - 190:.0f} steps" in early.sentence
    assert finding.factor == pytest.approx(100 / scores[-1, 0])
    [signal] = remark_signals(told)
    assert (signal.kind, signal.fired) == ("growth", finding.fired)


@pytest.mark.parametrize("scores", [np.full(24, 60.0), 30 * np.exp(-0.1 * np.arange(24))])
def test_large_scores_that_do_not_grow_are_not_told(scores):
    [finding] = growth_findings(remarks(scores[:, None]))
    assert finding.fired is None
    assert "no growth that leads past 100 soon" in finding.sentence


def test_what_is_unknown_stays_unknown():
    unknown = np.full((12, 2), np.nan)
    assert growth_findings(remarks(unknown)) == ()
    half = np.column_stack([np.full(12, np.nan), np.full(12, 3.0)])
    [finding] = growth_findings(remarks(half))
    assert finding.head == "L1 H2"
    few = remarks(np.full((RULE.readings - 1, 1), 3.0))
    assert growth_findings(few)[0].forecast is None
    assert not met(lines(np.arange(8.0), np.zeros((8, 1)))).any()


@pytest.mark.parametrize(
    ("slopes", "words"),
    [
        ((1.0, 0.0, 1.0), "queries grow, keys flat"),
        ((0.5, 0.5, 1.0), "queries grow, keys grow"),
        ((0.1, 0.1, 1.0), "queries flat, keys flat; they turn towards each other"),
    ],
)
def test_the_cause_is_what_has_its_share_of_the_growth(slopes, words):
    assert cause(*slopes) == words


def test_a_leak_is_a_signal_and_a_mask_that_holds_is_none():
    check = MaskCheck(rule="future", reader="tokens", read="tokens", said_by="you", pairs=1128)
    [holds] = remark_signals(Remarks(audit=MaskAudit(checks=(check,))))
    assert (holds.kind, holds.fired) == ("leak", None)
    assert holds.sentence == "mask: holds (0 of 1,128 forbidden pairs leak: later tokens)"
    [unknown] = remark_signals(Remarks(audit=MaskAudit(unknown="nothing says it")))
    assert unknown.fired is None
    assert np.isnan(unknown.value)
