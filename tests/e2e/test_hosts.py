"""The exported page in frames of other pages, as W&B, MLflow, Trackio and Kubeflow make them."""

import html
import json
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from attn_monitor.core.nouns import HeadId
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.commits import LARGEST_STEP
from attn_monitor.store.names import FIRST_ASKED
from attn_monitor.store.union import ASKED_OF
from tb_plugin.notebook.show import ShownPage
from tb_plugin.offline import export_run
from tests.e2e.conftest import Tab
from tests.recordings import encoder_info, record

HOSTS = {
    "src": ("allow-scripts", "src", True),
    "srcdoc": ("allow-scripts", "srcdoc", True),
    "src of the same origin": ("allow-scripts allow-same-origin", "src", True),
    "srcdoc of the same origin": ("allow-scripts allow-same-origin", "srcdoc", True),
    "srcdoc in a page that names no encoding": ("allow-scripts", "srcdoc", False),
}
# How Colab shows what a cell gives: in a page of another origin, sandboxed, which is sent the text
# and says how high it is. An imitation: Colab itself is a service.
CELL = """<!doctype html><meta charset=utf-8><title>Notebook</title>
<iframe sandbox="allow-downloads allow-forms allow-popups allow-same-origin allow-scripts"
 src="{output}" style="margin-top: 3000px; width: 1400px; height: 30px; border: 0"></iframe>
<script>
const frame = document.querySelector("iframe");
addEventListener("message", (event) => {{
  if (event.source !== frame.contentWindow) return;
  if (event.data === "ready") frame.contentWindow.postMessage({shown}, "*");
  else frame.style.height = `${{event.data}}px`;
}});
</script>"""
OUTPUT = """<!doctype html><meta charset=utf-8><title>Output</title><body style="margin: 0">
<script>
const tell = () => parent.postMessage(document.body.offsetHeight, "*");
addEventListener("message", (event) => {
  document.body.innerHTML = event.data;
  new ResizeObserver(tell).observe(document.body);
});
parent.postMessage("ready", "*");
</script>"""
KINDS = ("Asked", "Probe")
HEIGHT = 850


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def ask_later(place, info):
    """Add what `ask` adds: the first sentence at step 10, and once more without a head."""
    silent = (HeadId("encoder", 0, 1),)
    for index, muted in ((FIRST_ASKED, ()), (FIRST_ASKED + 1, silent)):
        asked = replace(info.probes[0], index=index, split="asked", muted=muted)
        option = {ASKED_OF: open_run(place).session}
        own = replace(info, probes=(asked,), kept=(), options=option)
        with RunWriter(place, own, asked=index, resume_step=LARGEST_STEP) as writer:
            writer.write(record(own, 10, seed=index, scalars={}))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Serve an exported run and a page around it for every kind of host."""
    folder = tmp_path_factory.mktemp("site")
    info = encoder_info(lengths=(5, 7, 6, 4))
    with RunWriter(folder / "run", info) as writer:
        for step in (0, 10, 20):
            writer.write(record(info, step))
    ask_later(folder / "run", info)
    export_run(str(folder / "run"), folder / "page.html")
    page = (folder / "page.html").read_bytes()
    assert page.isascii()
    for at, (sandbox, way, encoding) in enumerate(HOSTS.values()):
        text = "page.html" if way == "src" else html.escape(page.decode("ascii"))
        look = f'width=1400 height={HEIGHT} style="margin-top: 3000px"'  # out of sight
        frame = f'<iframe {look} sandbox="{sandbox}" {way}="{text}"></iframe>'
        head = "<meta charset=utf-8>" if encoding else ""
        (folder / f"host{at}.html").write_text(f"<!doctype html>{head}<title>Host</title>{frame}")
    server = ThreadingHTTPServer(("localhost", 0), partial(Quiet, directory=folder))
    shown = ShownPage(open_run(folder / "run"), name="run", height=HEIGHT)._repr_html_()
    output = f"http://127.0.0.1:{server.server_port}/output.html"  # to a browser another origin
    cell = CELL.format(output=output, shown=json.dumps(shown).replace("</", "<\\/"))
    (folder / "cell.html").write_text(cell)
    (folder / "output.html").write_text(OUTPUT)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", HOSTS)
def test_the_page_works_in_a_frame_and_leaves_the_page_around_it_alone(host, site, chromium):
    address = f"{site}host{list(HOSTS).index(host)}.html"
    tab = Tab(chromium, address, fragment="#its-own")
    assert_it_works_and_leaves_the_page_around_it_alone(tab)
    assert tab.strangers() == []
    tab.close()


def test_the_page_works_in_a_cell_as_colab_shows_one_and_leaves_the_notebook_alone(site, chromium):
    tab = Tab(chromium, f"{site}cell.html", fragment="#its-own")
    tab.frame = tab.frame.frame_locator("iframe")
    assert_it_works_and_leaves_the_page_around_it_alone(tab)
    cell = tab.page.locator("iframe")
    tab.page.wait_for_function(f"document.querySelector('iframe').offsetHeight >= {HEIGHT}")
    assert cell.bounding_box()["height"] < HEIGHT + 10  # all of it, and it does not grow on
    assert tab.strangers() == [cell.get_attribute("src")]
    tab.close()


def assert_it_works_and_leaves_the_page_around_it_alone(tab):
    tab.wait_until_drawn()
    assert tab.page.evaluate("window.scrollY") == 0  # nor is it scrolled
    slider = tab.frame.get_by_role("slider", name="Training step")
    slider.press("Home")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "10")
    tab.frame.get_by_role("button", name="Heads", exact=True).click()
    tab.frame.get_by_role("main").locator("svg path").first.wait_for(state="attached")
    expect(slider).to_have_attribute("aria-valuenow", "10")  # what was chosen stays
    assert tab.page.url == f"{tab.url}#its-own"
    # Chromium asks a server for the icon of a page that has none.
    assert [text for text in tab.complaints if "favicon" not in text] == []


def test_what_was_asked_later_stands_by_itself_and_muted_heads_are_compared(site, chromium):
    tab = Tab(chromium, f"{site}page.html", fragment="#attn_monitor&p.attn_monitor.step=20")
    tab.frame = tab.page
    tab.wait_until_drawn()
    lists = [tab.page.get_by_role("region", name=f"{kind} sentences") for kind in KINDS]
    asked, drawn = (one.get_by_role("button") for one in lists)
    assert (asked.count(), drawn.count()) == (2, 4)
    expect(asked.nth(1)).to_contain_text("without Layer 1 · head 2", use_inner_text=True)
    asked.nth(1).click()
    slider = tab.page.get_by_role("slider", name="Training step")
    tab.page.get_by_role("status", name="Shown step").get_by_text("all heads, same step").wait_for()
    expect(slider).to_have_attribute("aria-valuenow", "10")  # where it was asked
    tab.page.keyboard.press("d")
    tab.page.get_by_text("more in A").wait_for()
    assert tab.strangers() == []
    assert [text for text in tab.complaints if "favicon" not in text] == []
    tab.close()
