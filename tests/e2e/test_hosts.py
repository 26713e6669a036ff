"""The exported page in frames of other pages, as W&B, MLflow, Trackio and Kubeflow make them."""

import html
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from attn_monitor.store import RunWriter
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


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Serve an exported run and a page around it for every kind of host."""
    folder = tmp_path_factory.mktemp("site")
    info = encoder_info(lengths=(5, 7, 6, 4))
    with RunWriter(folder / "run", info) as writer:
        for step in (0, 10, 20):
            writer.write(record(info, step))
    export_run(str(folder / "run"), folder / "page.html")
    page = (folder / "page.html").read_bytes()
    assert page.isascii()
    for at, (sandbox, way, encoding) in enumerate(HOSTS.values()):
        text = "page.html" if way == "src" else html.escape(page.decode("ascii"))
        frame = f'<iframe width=1400 height=850 sandbox="{sandbox}" {way}="{text}"></iframe>'
        head = "<meta charset=utf-8>" if encoding else ""
        (folder / f"host{at}.html").write_text(f"<!doctype html>{head}<title>Host</title>{frame}")
    server = ThreadingHTTPServer(("localhost", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", HOSTS)
def test_the_page_works_in_a_frame_and_leaves_the_page_around_it_alone(host, site, chromium):
    address = f"{site}host{list(HOSTS).index(host)}.html"
    tab = Tab(chromium, address, fragment="#its-own")
    tab.wait_until_drawn()
    slider = tab.frame.get_by_role("slider", name="Training step")
    slider.press("Home")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "10"
    tab.frame.get_by_role("button", name="Heads", exact=True).click()
    tab.frame.get_by_role("main").locator("svg path").first.wait_for(state="attached")
    assert slider.get_attribute("aria-valuenow") == "10"  # what was chosen stays
    assert tab.page.url == f"{address}#its-own"
    # Chromium asks a server for the icon of a page that has none.
    assert tab.strangers() == []
    assert [text for text in tab.complaints if "favicon" not in text] == []
    tab.close()
