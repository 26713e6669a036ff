"""Write the tables of ARCHITECTURE.md anew: every file with the first line of its docstring.

``python scripts/architecture_tables.py`` after a file was added, moved or given another job.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("attn_monitor", "tb_plugin")
TABLE = re.compile(r"(<!-- files: ([\w/.]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(folder: str) -> str:
    """Return a folder's files and their jobs as a Markdown table."""
    rows = ["| File | Job |", "|---|---|"]
    for path in sorted((ROOT / folder).glob("*.py")):
        if path.name != "__init__.py":
            job = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
            job = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", job).replace("``", "`").replace("|", "\\|")
            rows.append(f"| `{path.name}` | {job} |")
    return "\n".join(rows) + "\n"


def untold(text: str) -> list[str]:
    """Return the folders with files that the page has no table of."""
    files = [path for top in FOLDERS for path in (ROOT / top).rglob("*.py")]
    own = [path for path in files if "node_modules" not in path.parts]
    folders = {str(path.parent.relative_to(ROOT)) for path in own if path.name != "__init__.py"}
    return sorted(folders - {match[2] for match in TABLE.finditer(text)})


def written(text: str) -> str:
    """Return the page with every table as the files are now."""
    return TABLE.sub(lambda match: match[1] + table(match[2]) + match[3], text)


if __name__ == "__main__":
    page = ROOT / "ARCHITECTURE.md"
    page.write_text(written(page.read_text("utf-8")), "utf-8")
