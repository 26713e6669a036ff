"""The models that people train, opened as they are: a picture one can follow for each of them."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import expect
from view_recordings import MODELS, PATTERNS, record_all

from tests.e2e.conftest import serve
from tests.e2e.hands import choose_run, choose_view, until_equal
from tests.e2e.view_hands import (
    BRIGHTEST,
    FEWEST,
    LIGHTNESS,
    MIDDLE_ROW,
    MOST,
    drawn_anew,
    lengths_of,
    links,
    show,
)

RUNS = ("gpt", "vit", "sixteen", "tabular", "demo", "onehead", "window")
TEN = tuple(f"ten/run{at}" for at in range(10))
BESIDE = ("nan", "two/first", "two/second-with-a-rather-long-name", *TEN)
OTHERS = ("mismatch/words", "mismatch/heads")


@pytest.fixture(scope="module")
def views_tab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    record_all(folder, (*RUNS, *BESIDE, *OTHERS, "overflow"))
    with serve(folder) as url:
        yield url


@pytest.fixture(scope="module")
def page(views_tab, new_tab):
    tab = new_tab(views_tab).wait_until_drawn()
    yield tab
    assert tab.complaints == []
    tab.page.close()


@pytest.mark.parametrize("run", RUNS)
def test_every_layer_opens_with_links_a_person_can_follow(page, run):
    model = MODELS[run]
    for probe in lengths_of(run):
        for step in (model.steps[0], model.steps[-1]):
            show(page, run, step=step, probe=probe)
            drawn = links(page)
            for layer in range(len(model.parts[0].layers)):
                count = sum(link[0] == layer for link in drawn)
                assert FEWEST <= count <= MOST, (probe, step, layer)


PATTERN_LIGHTNESS = 0.15


@pytest.mark.parametrize(("run", "tokens"), [("vit", "0~65"), ("gpt", "0~128")])
def test_patterns_of_heads_differ_in_lightness_on_every_scale(page, run, tokens):
    """Where two small maps of one layer differ at all, it is by .15 of OKLab's lightness."""
    heads = [PATTERNS.index(kind) for kind in ("self", "previous", "next", "word", "block")]
    if MODELS[run].parts[0].causal:
        heads.remove(PATTERNS.index("next"))  # which nobody may look at there
    maps = [page.frame.locator(f"canvas.heat[data-layer='0'][data-head='{at}']") for at in heads]
    before = None
    for scale in ("fixed", "even", "layer"):
        step = MODELS[run].steps[-1]
        show(page, run, step=step, probe=0, layers="0:mh", tokens=tokens, scale=scale)
        before = drawn_anew(page, maps[-1], before)
        seen = [canvas.evaluate(LIGHTNESS) for canvas in maps]
        side = maps[0].evaluate("c => c.width")
        for one, other in itertools.combinations(seen, 2):
            apart = sum(abs(a - b) > PATTERN_LIGHTNESS for a, b in zip(one, other, strict=True))
            assert apart > 0.8 * side, (scale, apart, side)


def test_the_first_words_of_a_causal_text_do_not_win_by_being_first(page):
    show(page, "gpt", step=0, probe=0)
    drawn = links(page)
    shown = 64  # the first half of the text; its attention is nearly even at step 0
    early = sum(query < shown / 4 for _, query, _ in drawn)
    assert early < 0.35 * len(drawn)


def test_pointing_at_a_word_lights_all_its_links_whatever_the_cut(page):
    show(page, "demo", step=400, probe=0)
    before = links(page)
    column = page.frame.get_by_role("group", name="Tokens after the last layer")
    column.locator(".token-box").nth(3).hover()
    lit = page.frame.locator(".link.lit[data-layer='0']")
    lit.nth(14).wait_for(state="attached")
    drawn = lit.evaluate_all("all => all.map(l => [+l.dataset.query, +l.dataset.key])")
    assert sorted(drawn) == [[3, key] for key in range(15)]
    page.frame.get_by_role("slider", name="Training step").hover()
    page.frame.locator(".link.lit").first.wait_for(state="detached")
    assert links(page) == before


def test_a_held_map_leaves_tabs_play_and_slider_free_and_can_be_moved(page):
    show(page, "sixteen", step=200, probe=0, head="1.6", layers="1:mh")
    popup = page.frame.get_by_role("dialog")
    popup.wait_for()
    box = popup.bounding_box()
    slider = page.frame.get_by_role("slider", name="Training step").bounding_box()
    assert box["y"] >= slider["y"] + slider["height"]
    page.page.mouse.move(box["x"] + 60, box["y"] + 18)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 10, box["y"] + 58, steps=3)
    page.page.mouse.up()
    moved = popup.bounding_box()
    assert (round(moved["x"] - box["x"]), round(moved["y"] - box["y"])) == (-50, 40)
    page.frame.get_by_role("slider", name="Training step").press("Home")
    page.frame.locator(".content[data-step='0']").wait_for()
    assert popup.bounding_box() == moved
    # The only head's map is large already: held, it is not smaller.
    show(page, "onehead", step=400, probe=0, head="0.0", layers="0:mh")
    popup.get_by_text("epoch 4").wait_for()
    clicked = page.frame.locator("canvas.heat[data-layer='0'][data-head='0']").bounding_box()
    assert popup.locator("canvas").bounding_box()["width"] >= clicked["width"]


def test_the_colours_can_span_times_even_attention_and_the_address_says_so(page):
    show(page, "vit", step=200, probe=0, layers="0:mh")
    canvas = page.frame.locator("canvas.heat[data-layer='0'][data-head='3']")
    fixed = canvas.evaluate("c => c.toDataURL()")
    page.frame.get_by_label("What the colours of maps span").select_option("even")
    page.page.wait_for_url("**scale=even**")
    shown = page.frame.locator(".scale")
    expect(shown).to_contain_text("\N{MULTIPLICATION SIGN}")
    even = drawn_anew(page, canvas, fixed)
    # A change, too: half of what even attention gives is pale from -0.5 to 0.5, and not here.
    show(page, "vit", step=200, probe=0, layers="0:mh", show="diff", scale="even")
    relative = drawn_anew(page, canvas, even)
    expect(shown).to_contain_text("\N{MINUS SIGN}4\N{MULTIPLICATION SIGN}")
    page.frame.get_by_label("What the colours of maps span").select_option("fixed")
    page.page.wait_for_url(lambda url: "scale=even" not in url)
    assert drawn_anew(page, canvas, relative) != fixed
    expect(shown).to_contain_text("\N{MINUS SIGN}0.5")


def test_what_takes_long_says_so_and_moves_nothing(page):
    run = BESIDE[1]
    show(page, run, step=400, probe=2)
    content = page.frame.locator(".content")
    before = content.bounding_box()
    held = []

    def hold(route):
        held.append(route)

    page.page.route("**/attention?*step=100&*", hold)
    chosen = f"attn_monitor&p.attn_monitor.run={run}&p.attn_monitor.probe=2"
    page.page.evaluate("hash => { location.hash = hash }", f"{chosen}&p.attn_monitor.step=100")
    page.frame.get_by_text("Loading epoch 1").wait_for()
    assert content.bounding_box() == before
    for route in held:
        route.continue_()
    page.frame.locator(".content[data-step='100']").wait_for()
    page.page.unroute("**/attention?*step=100&*")
    page.frame.locator(".busy span").wait_for(state="detached")


PIXEL = "c => [...c.getContext('2d').getImageData(9, 40, 1, 1).data]"
NAN_COLOUR = [255, 95, 210, 255]


def test_weights_that_are_not_numbers_are_drawn_as_such(page):
    show(page, "nan", step=400, probe=0, layers="0:mh,1:mh")
    canvas = page.frame.locator("canvas.heat[data-layer='0'][data-head='0']")
    until_equal(page, lambda: (canvas.evaluate(PIXEL), NAN_COLOUR))
    expect(page.frame.get_by_text("NaN: not a number")).to_be_visible()
    choose_view(page, "Heads")
    cells = page.frame.locator(".cell.nan")
    cells.nth(1).wait_for()
    places = cells.evaluate_all("all => all.map(c => [+c.dataset.layer, +c.dataset.head])")
    assert places == [[0, 0], [1, 1]]
    assert cells.locator(".cell-value").all_text_contents() == ["NaN", "NaN"]
    ranked = page.frame.locator(".ranking .rank-value").all_text_contents()
    assert ranked[:3].count("NaN") == 2
    piles = page.frame.locator(".step-pile canvas")
    piles.first.wait_for()
    until_equal(page, lambda: (piles.last.evaluate(PIXEL), NAN_COLOUR))
    assert piles.first.evaluate(PIXEL) != NAN_COLOUR


INFINITE = "\N{INFINITY}"


def heads_of(tab, **choices):
    """The places and first numbers in the list of heads of the recording that overflowed."""
    show(tab, "overflow", step=400, probe=0, view="heads", panel="list", **choices)
    rows = tab.frame.locator(".head-list tbody tr")
    return rows.evaluate_all(
        "all => all.map(r => [+r.dataset.layer, +r.dataset.head,"
        " r.querySelector('output').textContent])"
    )


def test_infinite_numbers_are_said_to_be_so_in_every_view(page):
    frame = page.frame
    show(page, "overflow", step=400, probe=0, layers="0:mh,1:sh")
    canvas = frame.locator("canvas.heat[data-layer='0'][data-head='1']")
    until_equal(page, lambda: (canvas.evaluate(MIDDLE_ROW), NAN_COLOUR))
    expect(frame.locator(".link-note")).to_contain_text("a head gave NaN: no mean")

    # The scores of L2 H3 outgrew everything: the other heads keep the scale they have.
    show(page, "overflow", step=400, probe=0, view="heads", metric="logit_max", b=0, show="diff")
    value = frame.locator(".cell[data-layer='1'][data-head='2'] .cell-value")
    expect(value).to_have_text(f"+{INFINITE}")
    limits = set(frame.locator(".grid-limit").all_text_contents())
    assert {float(text) for text in limits} == {1, 8}
    until_equal(
        page, lambda: (heads_of(page, metric="logit_max", sorted="a-")[0], [1, 2, INFINITE])
    )
    least = [0, 1, f"\N{MINUS SIGN}{INFINITE}"]
    until_equal(page, lambda: (heads_of(page, metric="logit_mean", sorted="a")[0], least))

    show(page, "overflow", step=400, probe=0, view="signals", watch="logit_max~logit_mean")
    said = frame.locator(".without-height-text")
    said.nth(3).wait_for(state="attached")
    for chart, text in (
        ("loss", [f"training {INFINITE}", "training NaN"]),
        ("metric-0", [f"validation {INFINITE}"]),
        ("metric-1", [f"validation \N{MINUS SIGN}{INFINITE}"]),
    ):
        expect(frame.locator(f"[data-chart='{chart}'] .without-height-text")).to_have_text(text)
    logged = frame.get_by_role("region", name="Logged at A").get_by_role("row", name="train_loss")
    expect(logged).to_contain_text("NaN")
    frame.get_by_role("slider", name="Training step").press("ArrowLeft")
    frame.get_by_role("slider", name="Training step").press("ArrowLeft")
    expect(logged).to_contain_text(INFINITE)


def test_another_run_is_named_whole_placed_on_the_slider_and_drawn_in_signals(page):
    other = BESIDE[2]
    show(page, BESIDE[1], step=400, probe=0, brun=other, b=200, view="network")
    expect(page.frame.locator(".readout")).to_contain_text(other, use_inner_text=True)
    expect(page.frame.locator(".fob.b.elsewhere")).to_have_count(1)
    page.frame.get_by_role("navigation", name="Views").get_by_role("button", name="Signals").click()
    line = page.frame.locator(f"[data-chart='loss'] .other-run[data-run='{other}']")
    line.wait_for(state="attached")


def test_a_run_of_other_words_says_what_differs_and_a_is_shown_alone(page):
    one, other = OTHERS
    show(page, one, step=400, probe=0, brun=other, b=200, view="heads", panel="maps", show="diff")
    side = page.frame.locator(".heads-side")
    side.get_by_text("None: B cannot be compared with A.").wait_for()
    banner = page.frame.locator(".banner").inner_text()
    assert f"\u201c{other}\u201d has another sentence as this probe" in banner
    shown = page.frame.get_by_role("group", name="Show", exact=True)
    assert shown.get_by_role("button", name="Maps at A").get_attribute("aria-pressed") == "true"
    best = side.get_by_role("button", name="Compare with the best step")
    assert best.is_enabled()  # B is of the same step, in another run
    best.click()
    shown.get_by_role("button", name="Maps A \N{MINUS SIGN} B").wait_for()
    side.locator(".rank").first.wait_for()


def test_heads_that_do_not_do_the_same_are_not_listed_as_such(page):
    show(page, "onehead", step=400, probe=0, view="heads", side="pairs")
    page.frame.get_by_text("None at this step: the nearest two are 0.").wait_for()
    assert page.frame.locator(".pairs li").count() == 0


def test_a_link_to_a_run_that_is_not_here_says_which_one_is_shown(page):
    page.page.evaluate("() => { location.hash = 'attn_monitor&p.attn_monitor.run=gone' }")
    page.frame.get_by_text(
        "There is no run \u201cgone\u201d here; this is \u201cdemo\u201d."
    ).wait_for()


def test_ten_runs_are_drawn_over_heads_and_losses_in_tensorboards_colours(page):
    others = ",".join(name.replace("/", "%2F") for name in TEN[1:]).replace("%", "%25")
    show(page, TEN[0], step=400, probe=0, view="heads", runs=others)
    lines = page.frame.locator(".cell[data-layer='1'][data-head='2'] .other-life")
    lines.nth(8).wait_for(state="attached")
    drawn = lines.evaluate_all("all => all.map(l => [l.dataset.run, getComputedStyle(l).stroke])")
    dots = page.frame.locator(".runs li:has(.name)").evaluate_all(
        "all => all.map(l => [l.querySelector('.name').textContent,"
        " getComputedStyle(l.querySelector('.run-dot')).borderTopColor])"
    )
    assert dict(drawn) == {name: colour for name, colour in dots if name in TEN[1:]}
    bar = page.frame.locator("header.tabs")
    height = bar.bounding_box()["height"]
    choose_view(page, "Signals")
    losses = page.frame.locator("[data-chart='loss'] .other-run")
    losses.nth(8).wait_for(state="attached")
    expect(losses).to_have_count(9)
    assert bar.bounding_box()["height"] == height


def test_a_long_list_of_runs_leaves_the_sentences_in_sight(page):
    show(page, "demo", step=400, probe=0)
    rail = page.frame.locator(".rail").bounding_box()
    runs = page.frame.locator(".rail .runs").bounding_box()
    probes = page.frame.get_by_role("region", name="Probe sentences").bounding_box()
    assert probes["y"] + probes["height"] <= rail["y"] + rail["height"]
    assert runs["y"] + runs["height"] <= probes["y"]
    assert runs["height"] >= 0.4 * rail["height"] - 1
    # The last run stays in sight, too, when what comes below takes room from the list.
    for size in ({"width": 1440, "height": 1400}, {"width": 1440, "height": 900}):
        page.page.set_viewport_size(size)
        show(page, TEN[-1], step=400, probe=0)
        expect(page.frame.locator(".runs .item[aria-pressed='true']")).to_be_in_viewport(ratio=0.9)


VIT_HEADS = MODELS["vit"].parts[0].heads


def test_images_are_called_images_and_controls_say_what_they_do(page):
    show(page, "vit", step=200, probe=0, layers="1:mh")
    expect(page.frame.get_by_role("region", name="Probe images")).to_be_visible()
    page.frame.get_by_label("Filter runs").fill("[")
    expect(page.frame.get_by_role("alert")).to_contain_text(
        "Not a regular expression", use_inner_text=True
    )
    page.frame.get_by_label("Filter runs").fill("")
    for group in ("Compare", "Sort heads of layer 2 by"):
        buttons = page.frame.get_by_role("group", name=group, exact=True).get_by_role("button")
        titles = buttons.evaluate_all("all => all.map(b => b.title)")
        assert len(set(titles)) == 3
        assert "" not in titles
    # Attention of every head lies over the image itself.
    show(page, "vit", step=200, probe=0, view="heads", panel="pictures")
    over = page.frame.locator(".picture-cell[data-layer='0'] canvas")
    over.nth(VIT_HEADS + 1).wait_for()  # their mean and the rollout as well
    seen = over.evaluate_all("all => all.map(c => c.toDataURL())")
    assert len(set(seen)) == VIT_HEADS + 2
    whole = page.frame.locator("canvas.picture-whole")
    assert whole.evaluate(BRIGHTEST)[:2] == [250, 210]
    show(page, "tabular", step=400, probe=0, layers="1:mh")
    rows = page.frame.get_by_role("region", name="Probe rows")
    expect(rows).to_contain_text("age = 39", use_inner_text=True)


def clicks(tab, run, *buttons):
    """Open a run's first view, click buttons by their names, and say how many clicks it took."""
    show(tab, run, step=400, probe=0, layers="")
    for name in buttons:
        tab.frame.get_by_role("button", name=name, exact=True).first.click()
    return len(buttons)


def test_answers_are_few_clicks_away(page):
    frame = page.frame
    assert clicks(page, "demo", "Signals") <= 1  # is it overfitting?
    frame.get_by_text("Validation loss was lowest at").wait_for()

    # What changed since the best epoch?
    assert clicks(page, "demo", "Heads", "Compare with the best step") <= 2
    page.page.wait_for_url("**show=diff**")
    expect(frame.locator(".ranking .rank").first).to_be_visible()

    assert clicks(page, "demo", "Heads", "Redundant") <= 2
    frame.locator(".pairs li").first.wait_for()
    assert clicks(page, "demo", "Heads", "Idle") <= 2
    frame.locator(".pairs .note").first.wait_for()

    # What does this head do? A click on its map, one on the button.
    show(page, "demo", step=400, probe=0, layers="")
    frame.locator("canvas.heat[data-layer='1'][data-head='3']").click()
    frame.get_by_role("button", name="Open HeadLens").click()
    frame.get_by_role("region", name="HeadLens of Layer 2 \N{MIDDLE DOT} head 4").wait_for()

    # The same head in two runs: go to Heads, tick the other run.
    first, second = BESIDE[1:3]
    show(page, first, step=400, probe=0)
    choose_view(page, "Heads")
    frame.get_by_label(f"Draw {second} as well").check()
    line = frame.locator(f".cell[data-layer='1'][data-head='2'] [data-run='{second}']")
    line.wait_for(state="attached")
    expect(frame.locator(".other-runs")).to_have_text(second, use_inner_text=True)
    # And their maps: pin this one, choose the other, A - B.
    show(page, first, step=400, probe=0, layers="")
    frame.get_by_role("button", name="Pin B here").click()
    choose_run(page, second)
    frame.get_by_label("Shown step").get_by_text(f"in {first}").wait_for()
    frame.get_by_role("button", name="A \N{MINUS SIGN} B", exact=True).click()
    page.page.wait_for_url("**show=diff**")
    expect(frame.locator(".readout")).to_contain_text(first, use_inner_text=True)
