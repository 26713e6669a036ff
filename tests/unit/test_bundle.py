"""The built front end: what TensorBoard loads first is small, and a file needs nothing besides."""

import gzip
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "tb_plugin" / "static"
ENTRY_KB = 150
STATIC_IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*["'`](\.[^"'`]+)["'`]""")


def test_what_the_tab_loads_first_is_at_most_150_kb_gzipped():
    files = loaded_first(STATIC / "index.js")
    kilobytes = sum(len(gzip.compress(file.read_bytes())) for file in files) / 1000
    assert kilobytes <= ENTRY_KB, f"{kilobytes:.0f} kB in {len(files)} files"


def loaded_first(entry):
    """The entry and the chunks that come with it: theirs too, but not what `import()` brings."""
    found, waiting = set(), [entry.resolve()]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            names = STATIC_IMPORT.findall(file.read_text())
            waiting += [(file.parent / name).resolve() for name in names]
    return found


@pytest.mark.parametrize(
    "statement",
    [
        "import{a as b}from`./chunks/x.js`",
        "import { a } from './chunks/x.js'",
        'import a from "./chunks/x.js"',
        'import * as a from"./chunks/x.js"',
        "import`./chunks/x.js`",
        'import "./chunks/x.js"',
        'export{a}from"./chunks/x.js"',
    ],
)
def test_a_static_import_counts_however_it_is_written(tmp_path, statement):
    (tmp_path / "chunks").mkdir()
    (tmp_path / "index.js").write_text(f"{statement};const l=()=>import(`./chunks/lazy.js`);")
    (tmp_path / "chunks/x.js").write_text('import"./y.js";import"../index.js"')
    (tmp_path / "chunks/y.js").write_text("")
    names = {file.name for file in loaded_first(tmp_path / "index.js")}
    assert names == {"index.js", "x.js", "y.js"}


def test_the_offline_script_loads_nothing():
    code = (STATIC / "offline.js").read_text()
    assert not re.search(r"\bimport\s*\(|\bfrom\s*[\"'`]\.|__vite__mapDeps", code)
    assert "@font-face" in code
    assert not re.search(r"url\((?!\s*[\"']?(data:|#|\$))", code)
