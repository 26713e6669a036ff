"""The page "Which models work" says what the tests hold the capture to."""

import models_page
import pytest


def test_the_page_is_current():
    assert models_page.PAGE.read_text(encoding="utf-8") == models_page.page(), (
        "docs/models.md is out of date; run: python tests/unit/capture/models_page.py"
    )


def test_every_family_names_a_test_that_exists(monkeypatch):
    family = models_page.FAMILIES[0]._replace(test="sdpa.test_that_was_renamed")
    monkeypatch.setattr(models_page, "FAMILIES", (family,))
    with pytest.raises(LookupError, match="test_that_was_renamed is not in test_capture_sdpa"):
        list(models_page.family_rows())
