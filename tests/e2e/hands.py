"""What a person does in the tab, and what they see there."""

from __future__ import annotations

import re
import time


def slider(tab):
    return tab.frame.get_by_role("slider", name="Training step")


def shown_step(tab):
    return int(slider(tab).get_attribute("aria-valuenow"))


def go_to(tab, recording, step):
    """Move the slider to a recorded step by keys."""
    slider(tab).press("Home")
    for _ in range(list(recording.steps).index(step)):
        slider(tab).press("ArrowRight")
    assert shown_step(tab) == step


def choose_run(tab, name):
    tab.frame.get_by_role("region", name="Runs").get_by_role("button", name=name).first.click()


def choose_view(tab, name):
    tab.frame.get_by_role("navigation", name="Views").get_by_role("button", name=name).click()


def layer_controls(tab, layer):
    """The header of a layer's column, counted from 0."""
    return tab.frame.get_by_role("group", name=f"Layer {layer + 1}", exact=True)


def order_of_maps(tab, layer):
    """The heads of a layer's maps as they stand, row by row."""
    maps = tab.frame.locator(f'canvas.heat[data-layer="{layer}"][data-head]')
    by_place = maps.evaluate_all(
        "all => all.map(c => { const b = c.getBoundingClientRect();"
        " return [Math.round(b.top / 8), Math.round(b.left), +c.dataset.head]; })"
    )
    return [head for _, _, head in sorted(by_place)]


def point_at_bar(tab, *, layer, head, token, heads):
    """Move the pointer to a head's bar in a token's box; heads stand there side by side."""
    box = tab.frame.locator(f'.token-box[data-layer="{layer}"][data-token="{token}"]')
    size = box.bounding_box()
    box.hover(position={"x": (head + 0.5) * size["width"] / heads, "y": size["height"] / 2})


def until_equal(tab, pair):
    """Wait until what is drawn equals what was recorded: drawing follows loading."""
    patience = time.monotonic() + 60
    seen, wanted = pair()
    while seen != wanted and time.monotonic() < patience:
        tab.page.wait_for_timeout(50)
        seen, wanted = pair()
    assert seen == wanted


def number(text):
    """The number in a text as the tab writes it, with a true minus sign."""
    return float(re.search(r"[+-]?\d+(?:\.\d+)?", text.replace("\u2212", "-")).group())
