"""axe-core looks at every view, in light and dark; what people use without a mouse works."""

import numpy as np
import pytest

from attn_monitor import open_run
from tests.e2e.conftest import ROOT

AXE = ROOT / "tb_plugin" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
TEXT_FAULTS = (ROOT / "scripts" / "text_faults.js").read_text()
MAPS = ",".join(f"{layer}:mev0.1" for layer in range(6))
MIXED = "0:shv0.02,1:mev0.02,2:mpv0.1,3:pev0.1d0.3"
VIEWS = {
    "links": {},
    "maps": {"layers": MAPS},
    "all modes": {"layers": MIXED, "token": "q2"},
    "change": {"layers": MIXED, "show": "diff"},
    "a held head": {"layers": MAPS, "head": "1.2.3"},
    "headlens": {"layers": MAPS, "lens": "1.2~8r"},
    "heads": {"view": "heads", "head": "1.2"},
    "heads of all probes": {"view": "heads", "curves": "splits", "show": "diff"},
    "graph": {"view": "graph"},
    "signals": {"view": "signals"},
}
READY = "[data-layer][data-head], .chart, .graph-canvas"
LOOK = """() => axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
  violations.map(({id, impact, help, nodes}) =>
    `${impact}: ${id}: ${help}: ${nodes.slice(0, 3).map(({html}) => html.slice(0, 200))}`))"""


CUT_OFF = """() => [...document.querySelectorAll("header *, .time *, .side h2")]
  .filter((node) => node.matches("button, select, h2, .readout"))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
  .map((node) => node.textContent)"""


@pytest.fixture
def show(server, open_tab):
    def show_(*, dark=False, size=(1440, 900), **state):
        pairs = "".join(f"&p.attn_monitor.{name}={value}" for name, value in state.items())
        query = f"?darkMode={str(dark).lower()}"
        tab = open_tab(server, query=query, fragment=f"#attn_monitor{pairs}", size=size)
        tab.frame.locator(READY).first.wait_for()
        return tab

    return show_


def inside(tab):
    return next(frame for frame in tab.page.frames if "plugin_entry" in frame.url)


def slider(tab):
    return tab.frame.get_by_role("slider", name="Training step")


def shown_step(tab):
    return int(slider(tab).get_attribute("aria-valuenow"))


def serious_faults(tab):
    """What axe-core calls serious or critical, one line each."""
    if not AXE.is_file():
        pytest.fail("axe-core is missing: run `npm ci` in tb_plugin/frontend")
    frame = inside(tab)
    frame.evaluate(AXE.read_text())
    return [fault for fault in frame.evaluate(LOOK) if fault.startswith(("serious", "critical"))]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", VIEWS.values(), ids=VIEWS)
def test_no_view_has_a_serious_fault(show, state, dark):
    tab = show(dark=dark, **state)
    if "lens" in state:
        tab.frame.get_by_role("group", name="Table").or_(
            tab.frame.locator(".lens")
        ).first.wait_for()
    tab.page.wait_for_load_state("networkidle")
    assert serious_faults(tab) == []


def test_the_list_of_keys_and_the_folded_rail_have_no_serious_fault(show):
    tab = show(size=(1100, 900))
    tab.frame.get_by_role("button", name="Open the lists").click()
    assert serious_faults(tab) == []
    tab.frame.locator("body").press("Escape")
    tab.page.keyboard.press("?")
    tab.frame.get_by_role("dialog", name="Keys").wait_for()
    assert serious_faults(tab) == []


def test_planted_faults_are_found(show):
    tab = show()
    tab.frame.locator(".main").evaluate(
        """main => {
          const faint = document.createElement("p");
          faint.textContent = "too faint to read";
          faint.style.cssText = "color:#ddd;background:#fff";
          main.append(faint, document.createElement("button"));
        }"""
    )
    found = " ".join(serious_faults(tab))
    assert "color-contrast" in found
    assert "button-name" in found


@pytest.mark.parametrize("width", [1440, 1100, 640])
def test_no_control_is_cut_off(show, width):
    tab = show(size=(width, 900))
    for key in "1234":
        tab.page.keyboard.press(key)
        tab.frame.locator(READY).first.wait_for()
        assert inside(tab).evaluate(CUT_OFF) == []
    if width < 1000:
        return  # HeadLens is scrolled sideways there
    for key in ("1", "l", "j", "Enter"):
        tab.page.keyboard.press(key)
    tab.frame.locator(".lens svg").first.wait_for()
    faults = inside(tab).evaluate(TEXT_FAULTS, ["light"])
    assert [line for line in faults if not line.startswith("contrast")] == []


def test_shift_and_an_arrow_jump_to_the_next_mark(show, logdir):
    run = open_run(logdir / "airline" / "version_0")
    first, *_, newest = run.steps
    losses = {step: run.scalars(step).get("val_loss", np.inf) for step in run.steps}
    best = min(run.steps, key=losses.__getitem__)
    tab = show(run="airline/version_0", step=newest, b=first)
    for key, expected in (("ArrowLeft", best if best != newest else first), ("ArrowLeft", first)):
        tab.page.keyboard.press(f"Shift+{key}")
        assert shown_step(tab) == expected
    slider(tab).press("Shift+ArrowRight")
    assert shown_step(tab) == best


def test_enter_opens_headlens_of_the_held_head(show):
    tab = show(layers=MAPS)
    for key in "ljl":
        tab.page.keyboard.press(key)
    tab.page.keyboard.press("Enter")
    tab.frame.get_by_role("region", name="HeadLens of Layer 2 · head 3").wait_for()
