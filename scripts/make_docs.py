"""Make the documentation site: every page, and the public names from their docstrings.

``python scripts/make_docs.py site`` writes it and fails on a link that leads nowhere. What is
public stands in ``docs/public.md`` alone: its table says which modules, and which names of each.
"""

from __future__ import annotations

import html
import importlib
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import markdown2
import pdoc.doc
import pdoc.render

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| `([\w.]+)` \| ((?:`\w+` ?)+) \|", re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
EXTRAS = ["tables", "fenced-code-blocks", "header-ids", "strike", "cuddled-lists"]
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title><style>
body {{ font: 16px/1.55 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
color: light-dark(#222, #ddd); background: light-dark(#fff, #181818); color-scheme: light dark }}
table {{ border-collapse: collapse }} td, th {{ border: 1px solid #8886; padding: .3rem .6rem;
text-align: left; vertical-align: top }} img {{ max-width: 100% }} pre {{ overflow-x: auto;
background: #8882; padding: .8rem }} nav a {{ margin-right: 1rem }}</style>
<nav><a href="{up}index.html">Attention Monitor</a><a href="{up}docs/README.html">Pages</a>
<a href="{up}api/index.html">Public names</a></nav>
{body}</html>
"""


def public_names() -> dict[str, list[str]]:
    """Return what ``docs/public.md`` lists: module -> names."""
    text = (ROOT / "docs" / "public.md").read_text(encoding="utf-8")
    return {module: re.findall(r"`(\w+)`", names) for module, names in ROW.findall(text)}


def make(site: Path) -> list[str]:
    """Write the site; return what is wrong with it."""
    shutil.rmtree(site, ignore_errors=True)
    missing = write_api(site)
    for page in pages():
        write_page(site, page)
    shutil.copy(site / "README.html", site / "index.html")
    return missing + broken_links(site)


def pages() -> list[Path]:
    """Return every page, relative to the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tb_plugin" / "http_api.md"]
    return [path.relative_to(ROOT) for path in sorted(found)]


def write_api(site: Path) -> list[str]:
    """Write one page per public module; return the listed names that it does not have."""
    listed = public_names()
    modules = {name: documented(name, names) for name, names in listed.items()}
    missing = []
    (site / "api").mkdir(parents=True)
    for name, module in modules.items():
        missing += [
            f"{name}.{n} does not exist"
            for n in listed[name]
            if n not in module.members and f"{name}.{n}" not in listed
        ]
        text = pdoc.render.html_module(module, modules)
        target = site / "api" / f"{name.replace('.', '/')}.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    rows = "".join(
        f'<li><a href="{name.replace(".", "/")}.html"><code>{name}</code></a>: '
        f"{html.escape((module.docstring or '').partition(chr(10))[0])}</li>"
        for name, module in modules.items()
    )
    body = f"<h1>Public names</h1><ul>{rows}</ul>"
    index = PAGE.format(title="Public names", up="../", body=body)
    (site / "api" / "index.html").write_text(index, encoding="utf-8")
    return missing


def documented(name: str, names: list[str]) -> pdoc.doc.Module:
    """Return what pdoc knows of a module, names that are looked up when asked for included."""
    module = importlib.import_module(name)
    for each in names:
        if hasattr(module, each):
            setattr(module, each, getattr(module, each))
    return pdoc.doc.Module(module)


def write_page(site: Path, page: Path) -> None:
    """Write a Markdown page as HTML, and copy the files of the project that it links."""
    text = (ROOT / page).read_text(encoding="utf-8")

    def to_html(match: re.Match[str]) -> str:
        address, _, anchor = match[2].partition("#")
        if not address or "://" in address or address.startswith("mailto:"):
            return match[0]
        file = Path(os.path.normpath(page.parent / unquote(address)))
        if file in made:
            address = address.removesuffix(".md") + ".html"
        elif (ROOT / file).is_file():
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, site / file)
        return f"{match[1]}{address}{'#' + anchor if anchor else ''}{match[3]}"

    made = set(pages())
    body = str(markdown2.markdown(LINK.sub(to_html, text), extras=EXTRAS))
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    up = "../" * len(page.parent.parts)
    target = site / page.with_suffix(".html")
    target.parent.mkdir(parents=True, exist_ok=True)
    name = html.escape(title[1] if title else page.stem)
    target.write_text(PAGE.format(title=name, up=up, body=body), encoding="utf-8")


class _Addresses(HTMLParser):
    """The links of a page and the places in it that can be linked."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"} and value and tag in {"a", "img"}:
                self.links.append(value)
            elif name in {"id", "name"} and value:
                self.places.add(value)


def broken_links(site: Path) -> list[str]:
    """Return every link of the site that leads to no file of it, or to no place in a file."""
    read: dict[Path, _Addresses] = {}
    for path in sorted(site.rglob("*.html")):
        read[path] = _Addresses()
        read[path].feed(path.read_text(encoding="utf-8"))
    broken = []
    for path, found in read.items():
        for link in found.links:
            address, _, anchor = unquote(link).partition("#")
            if "://" in address or address.startswith(("mailto:", "data:")):
                continue
            target = Path(os.path.normpath(path.parent / address)) if address else path
            there = target in read and anchor in read[target].places
            if not target.exists() or (anchor and target in read and not there):
                broken.append(f"{path.relative_to(site)}: {link}")
    return broken


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    wrong = make(folder)
    print(*wrong, f"{folder}/index.html: {len(wrong)} broken links", sep="\n")
    raise SystemExit(bool(wrong))
