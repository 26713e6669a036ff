"""Times taken inside the page: from a real key or click to the frame that shows its effect."""

from __future__ import annotations

import os
import statistics
from contextlib import contextmanager
from pathlib import Path

# The promise is made first; then Playwright presses a real key, whose own time stamp is the start.
TO_PAINTED = """([event, wanted]) => {
  const content = document.querySelector(".content");
  window.painted = new Promise((resolve) => {
    let start;
    addEventListener(event, (e) => { start ??= e.timeStamp; }, { capture: true, once: true });
    const watch = new MutationObserver(() => {
      if (content.dataset.step === String(wanted)) {
        watch.disconnect();
        requestAnimationFrame(() => {
          const after = new MessageChannel();
          after.port1.onmessage = () => resolve(performance.now() - start);
          after.port2.postMessage(null);
        });
      }
    });
    watch.observe(content, { attributes: true, attributeFilter: ["data-step"] });
  });
}"""
PAINTED = "() => window.painted"

# Until a frame in which the middle row of the graph's canvas is not of one colour.
TO_GRAPH = """() => {
  window.painted = new Promise((resolve) => {
    let start;
    addEventListener("click", (e) => { start ??= e.timeStamp; }, { capture: true, once: true });
    const look = () => {
      const canvas = document.querySelector(".graph canvas");
      const row = canvas && canvas.width > 0 && canvas.getContext("2d")
        .getImageData(0, canvas.height >> 1, canvas.width, 1).data;
      if (row && row.some((value, at) => value !== row[at % 4])) {
        resolve(performance.now() - start);
      } else {
        requestAnimationFrame(look);
      }
    };
    requestAnimationFrame(look);
  });
}"""

NOW = "() => performance.now()"
BUSY = """(ms) => new Promise((done) => setTimeout(() => {
  const end = performance.now() + ms;
  while (performance.now() < end);
  setTimeout(done, 100);
}))"""
LONG_TASKS = """() => {
  const seen = [];
  const observer = new PerformanceObserver((list) => seen.push(...list.getEntries()));
  observer.observe({ type: "longtask", buffered: false });
  window.longTasksSince = (start) => {
    seen.push(...observer.takeRecords());
    return seen.filter((task) => task.startTime >= start).map((task) => task.duration);
  };
}"""
LONG_TASKS_SINCE = "(start) => window.longTasksSince(start)"


def conditions(browser) -> str:
    """What the figures depend on."""
    cores = os.cpu_count()
    load = Path("/proc/loadavg").read_text().split()[0]
    return (
        f"Chromium {browser.version}, headless, without GPU, 1440 x 900, {cores} cores, load {load}"
    )


def spelled(milliseconds) -> str:
    """Median and 95th percentile of some times."""
    ordered = sorted(milliseconds)
    high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"{statistics.median(ordered):.0f} ms (p95 {high:.0f}, n = {len(ordered)})"


class Traffic:
    """Requests of a page on their way.

    Playwright's own ``networkidle`` is said once per frame, so it is no news after the first key,
    and may never be said while the tab asks every few seconds for new steps.
    """

    def __init__(self, page):
        self.page, self.pending = page, set()
        page.on("request", self.begun)
        for event in ("requestfinished", "requestfailed"):
            page.on(event, self.ended)

    # Playwright marks what it is given, which a set's own methods do not let it.
    def begun(self, request):
        self.pending.add(request)

    def ended(self, request):
        self.pending.discard(request)

    def wait_until_quiet(self, for_ms=300, limit_ms=60_000):
        """Return once nothing was on its way for so long."""
        quiet = 0
        for _ in range(limit_ms // 50):
            self.page.wait_for_timeout(50)
            quiet = 0 if self.pending else quiet + 50
            if quiet >= for_ms:
                return
        raise AssertionError(f"still asked for: {[request.url for request in self.pending]}")


@contextmanager
def fresh_page(browser, **options):
    """A page with nothing in its caches."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
    try:
        yield context.new_page()
    finally:
        context.close()


def page_memory(page) -> tuple[float, float]:
    """Megabytes of JavaScript heap after a collection, and of memory private to the process."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    root = page.context.browser.new_browser_cdp_session()
    renderers = [
        process["id"]
        for process in root.send("SystemInfo.getProcessInfo")["processInfo"]
        if process["type"] == "renderer"
    ]
    root.detach()
    return metrics["JSHeapUsedSize"] / 1e6, max(private_megabytes(pid) for pid in renderers)


def private_megabytes(pid: int) -> float:
    """What the process would give back: neither shared libraries nor shared fonts."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = (line.split()[1] for line in lines if line.startswith("Private_"))
    return sum(map(int, private)) / 1000
