"""The models that people train, opened as they are: a picture one can follow for each of them."""

from __future__ import annotations

import pytest
from conftest import serve
from view_recordings import MODELS, record_all

RUNS = ("gpt", "vit", "sixteen", "tabular", "demo", "onehead", "window")
FEWEST, MOST = 8, 150


@pytest.fixture(scope="module")
def views_tab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    record_all(folder, RUNS)
    with serve(folder) as url:
        yield url


def show(tab, run, **choices):
    """Go to a run's view by the address, in the same page; wait until its step is drawn."""
    pairs = {"run": run, **choices}
    pairs |= {"layers": ",".join(f"{at}:sh" for at in range(12))}
    hash_text = "&".join(f"p.attn_monitor.{name}={value}" for name, value in pairs.items())
    tab.page.evaluate("hash => { location.hash = hash }", f"attn_monitor&{hash_text}")
    layers = len(MODELS[run].parts[0].layers)
    shown = f"[data-run='{run}'][data-probe='{choices['probe']}'][data-step='{choices['step']}']"
    drawn = tab.frame.locator(f".content{shown}")
    drawn.locator(".link-note").nth(layers - 1).wait_for(state="attached", timeout=60_000)


def links(tab):
    """The drawn links as (layer, query, key)."""
    return tab.frame.locator(".link").evaluate_all(
        "all => all.map(l => [+l.dataset.layer, +l.dataset.query, +l.dataset.key])"
    )


@pytest.fixture(scope="module")
def page(views_tab, chromium):
    from conftest import Tab

    tab = Tab(chromium, views_tab).wait_until_drawn()
    yield tab
    assert tab.complaints == []
    tab.page.close()


@pytest.mark.parametrize("run", RUNS)
def test_every_layer_opens_with_links_a_person_can_follow(page, run):
    model = MODELS[run]
    for probe in range(len(model.sources)):
        for step in (model.steps[0], model.steps[-1]):
            show(page, run, step=step, probe=probe)
            drawn = links(page)
            for layer in range(len(model.parts[0].layers)):
                count = sum(link[0] == layer for link in drawn)
                assert FEWEST <= count <= MOST, (probe, step, layer)


def test_the_first_words_of_a_causal_text_do_not_win_by_being_first(page):
    show(page, "gpt", step=0, probe=0)
    drawn = links(page)
    shown = 64  # the first half of the text; its attention is nearly even at step 0
    early = sum(query < shown / 4 for _, query, _ in drawn)
    assert early < 0.35 * len(drawn)
