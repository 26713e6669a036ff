"""The built front end: what TensorBoard loads first is small, and a file needs nothing besides."""

import gzip
import re
from pathlib import Path

STATIC = Path(__file__).parents[2] / "tb_plugin" / "static"
ENTRY_KB = 150


def test_what_the_tab_loads_first_is_at_most_150_kb_gzipped():
    entry = (STATIC / "index.js").read_bytes()
    chunks = re.findall(rb'from\s*"(\./[^"]+)"', entry)  # static imports come with the entry
    files = [entry, *((STATIC / name.decode()).read_bytes() for name in chunks)]
    kilobytes = sum(len(gzip.compress(file)) for file in files) / 1000
    assert kilobytes <= ENTRY_KB, f"{kilobytes:.0f} kB"


def test_the_offline_script_loads_nothing():
    code = (STATIC / "offline.js").read_text()
    assert not re.search(r"\bimport\s*\(|\bfrom\s*[\"'`]\.|__vite__mapDeps", code)
    assert "@font-face" in code
    assert not re.search(r"url\((?!\s*[\"']?(data:|#|\$))", code)
