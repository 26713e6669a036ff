"""Going through the recordings of every kind of model, and the links that are drawn of each."""

from __future__ import annotations

import time

from playwright.sync_api import TimeoutError
from view_recordings import MODELS

FEWEST, MOST = 8, 150  # links that a person can follow
# OKLab's lightness of every pixel of a canvas.
LIGHTNESS = """c => {
  const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  return Array.from({ length: c.width * c.height }, (_, at) => {
    const [r, g, b] = [0, 1, 2].map((of) => linear(data[4 * at + of]));
    return 0.2104542553 * Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
      + 0.793617785 * Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
      - 0.0040720468 * Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  });
}"""
MIDDLE_ROW = """c => [...c.getContext("2d").getImageData(
  c.width / 2, (4.5 / 12) * c.height, 1, 1).data]"""  # of twelve, the fifth
BRIGHTEST = """c => {
  const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
  const pixel = (_, at) => [...data.slice(4 * at, 4 * at + 3)];
  const sum = ([r, g, b]) => r + g + b;
  return Array.from({ length: data.length / 4 }, pixel).sort((a, b) => sum(b) - sum(a))[0];
}"""


def show(tab, run, **choices):
    """Go to a run's view by the address, in the same page; wait until its step is drawn."""
    every_layer = ",".join(f"{at}:sh" for at in range(24))
    pairs = {"run": run, "layers": every_layer, **choices}
    if pairs.get("view", "network") != "network":
        pairs["layers"] = ""
    hash_text = "&".join(f"p.attn_monitor.{name}={value}" for name, value in pairs.items())
    tab.page.evaluate("hash => { location.hash = hash }", f"attn_monitor&{hash_text}")
    as_links = [pair for pair in pairs["layers"].split(",") if pair.endswith(":sh")]
    layers = min(len(as_links), layers_of(run))
    wanted = {"run": run} | {k: choices[k] for k in ("part", "probe", "step") if k in choices}
    shown = "".join(f"[data-{name}='{value}']" for name, value in wanted.items())
    drawn = tab.frame.locator(f".content{shown}")
    try:
        drawn.wait_for()
    except TimeoutError as late:
        there = tab.frame.locator(".content").evaluate("node => ({ ...node.dataset })")
        words = tab.frame.locator(".main").inner_text()
        late.add_note(f"{there} at {tab.page.url}\n{words[:1500]}")
        raise
    if layers:
        drawn.locator(".link-note").nth(layers - 1).wait_for(state="attached")


def layers_of(run):
    """How many layers the network shows at once: of a deep model eight."""
    return len(MODELS[run].parts[0].layers) if run in MODELS else 8


def links(tab):
    """The drawn links as (layer, query, key)."""
    return tab.frame.locator(".link").evaluate_all(
        "all => all.map(l => [+l.dataset.layer, +l.dataset.query, +l.dataset.key])"
    )


def lengths_of(run):
    """One probe of each length: the maps of sentences of one length are the same."""
    if run not in MODELS:
        return [0]
    return list({len(source): at for at, source in enumerate(MODELS[run].sources)}.values())


def drawn_anew(tab, canvas, before):
    """The picture of a canvas once it is another than before."""
    patience = time.monotonic() + 60
    while (now := canvas.evaluate("c => c.toDataURL()")) == before:
        assert time.monotonic() < patience
        tab.page.wait_for_timeout(50)
    return now
