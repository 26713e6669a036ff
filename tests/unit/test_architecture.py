"""Folders import only downwards, files stay small, the viewer needs no torch (ARCHITECTURE.md)."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDARD = set(sys.stdlib_module_names) | {"__future__", "typing_extensions", "_typeshed"}
# folder -> (our folders it may import, other packages it may import)
ALLOWED = {
    "attn_monitor/core": (set(), {"numpy", "jaxtyping"}),
    "attn_monitor/capture": ({"core"}, {"torch", "numpy", "jaxtyping"}),
    "attn_monitor/analysis": (
        {"core"},
        {"numpy", "scipy", "sklearn", "networkx", "gudhi", "nltk", "jaxtyping"},
    ),
    "attn_monitor/signals": ({"core"}, {"numpy", "jaxtyping"}),
    "attn_monitor/figures": (
        {"core", "analysis"},
        {"numpy", "matplotlib", "mpl_toolkits", "networkx", "jaxtyping"},
    ),
    "attn_monitor/store": ({"core"}, {"numpy", "fsspec", "numcodecs", "jaxtyping"}),
    "attn_monitor/monitor": (
        {"core", "capture", "analysis", "signals", "figures", "store"},
        {"numpy", "torch", "matplotlib", "tensorboard", "jaxtyping"},
    ),
    "attn_monitor/verdicts": ({"core", "signals", "store"}, {"numpy", "jaxtyping"}),
    "attn_monitor/integrations": (
        {"core", "monitor", "recorder"},
        {"numpy", "jaxtyping", "torch", "transformers"},
    ),
    "attn_monitor/wrapper": (
        {"core", "capture", "figures"},
        {"numpy", "torch", "matplotlib", "jaxtyping", "IPython", "ipympl"},
    ),
    "tb_plugin/server": (
        {"core", "analysis", "signals", "store"},
        {"numpy", "tensorboard", "werkzeug", "threadpoolctl", "jaxtyping"},
    ),
    "tb_plugin/notebook": (
        {"core", "store", "tb_plugin.metadata", "tb_plugin.offline", "tb_plugin.server"},
        {"anywidget", "traitlets", "tensorboard"},
    ),
    "tb_plugin/offline": ({"core", "store", "tb_plugin.server"}, {"numpy"}),
}


def imports(path):
    tree = ast.parse(path.read_text())
    names = [n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    return names + [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_lies_below_it(folder):
    ours, others = ALLOWED[folder]
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        for name in imports(path):
            top, _, rest = name.partition(".")
            if name == "attn_monitor":
                continue  # for its version
            if top == "attn_monitor":
                below = rest.partition(".")[0]
                assert below in ours | {Path(folder).name}, f"{path} may not import {name}"
            elif top == "tb_plugin":
                home = folder.replace("/", ".")
                below = ".".join(name.split(".")[:2])
                assert below in ours | {home}, f"{path} may not import {name}"
            else:
                assert top in STANDARD | others, f"{path} may not import {name}"


def test_the_entry_point_imports_nothing_that_can_fail():
    found = set(imports(ROOT / "tb_plugin" / "loader.py"))
    ours = {n for n in found if n.startswith(("attn_monitor", "tb_plugin"))}
    assert all(n.startswith("tb_plugin") for n in ours)
    top_level = ast.parse((ROOT / "tb_plugin" / "loader.py").read_text()).body
    eager = {n.module for n in top_level if isinstance(n, ast.ImportFrom)}
    assert eager <= {"__future__", "typing", "collections.abc", "tensorboard.plugins"} | {
        "tensorboard.plugins.base_plugin",
        "tb_plugin.metadata",
    }
    assert imports(ROOT / "tb_plugin" / "metadata.py") == ["__future__", "typing"]


def test_lightning_is_known_to_the_callback_alone():
    for path in (ROOT / "attn_monitor").rglob("*.py"):
        tops = {name.partition(".")[0] for name in imports(path)}
        if path.name != "callback.py":
            assert not tops & {"lightning", "pytorch_lightning"}, path


def test_the_tab_is_known_to_the_command_line_alone():
    for path in (ROOT / "attn_monitor").rglob("*.py"):
        if path != ROOT / "attn_monitor" / "cli.py":
            assert not [name for name in imports(path) if name.startswith("tb_plugin")], path


@pytest.mark.parametrize("folder", ["analysis", "signals"])
def test_what_computes_opens_no_file(folder):
    for path in (ROOT / "attn_monitor" / folder).rglob("*.py"):
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert "open" not in {f.id for f in calls if isinstance(f, ast.Name)}, path


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import attn_monitor; attn_monitor.open_run", ("torch", "lightning", "tensorboard")),
        ("import attn_monitor.analysis", ("torch", "lightning", "tensorboard")),
        ("import tb_plugin.plugin", ("torch", "lightning")),
        ("import attn_monitor.capture", ("lightning", "tensorboard")),
    ],
)
def test_importing_a_part_does_not_load_what_it_does_not_need(statement, absent):
    check = f"{statement}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_page_of_the_architecture_has_every_folder_and_file_with_its_job():
    sys.path.insert(0, str(ROOT / "scripts"))
    from architecture_tables import untold, written

    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert untold(text) == []
    assert written(text) == text, "write the tables anew: python scripts/architecture_tables.py"


def test_no_source_file_is_longer_than_400_lines():
    tracked = [
        *(ROOT / "attn_monitor").rglob("*.py"),
        *(ROOT / "tb_plugin").rglob("*.py"),
        *(ROOT / "tb_plugin" / "frontend" / "src").rglob("*.ts*"),
        *(ROOT / "tb_plugin" / "frontend" / "src").rglob("*.css"),
    ]
    long = {
        str(p.relative_to(ROOT)): n
        for p in tracked
        if "node_modules" not in p.parts and (n := p.read_text().count("\n")) > 400
    }
    assert long == {}


def test_no_module_of_the_tab_imports_itself_by_way_of_others():
    source = ROOT / "tb_plugin/frontend/src"
    modules = {p.with_suffix(""): p for p in source.rglob("*.ts*")}
    assert len(modules) > 100
    arrows = {
        name: [
            found
            for target in re.findall(r'(?:from|import\()\s*"(\.[^"?]+)"', path.read_text())
            if (found := (path.parent / target).resolve()) in modules
        ]
        for name, path in modules.items()
    }
    assert sum(map(len, arrows.values())) > 300
    done, above = set(), []

    def visit(name):
        if name in above:
            circle = [str(p.relative_to(source)) for p in above[above.index(name) :]]
            pytest.fail("import circle: " + " -> ".join(circle))
        if name not in done:
            above.append(name)
            for target in arrows[name]:
                visit(target)
            done.add(above.pop())

    for name in modules:
        visit(name)


def test_every_question_of_the_tab_is_asked_in_one_way_and_tried_again_in_a_test():
    state = ROOT / "tb_plugin/frontend/src/state"
    texts = [path.read_text() for path in state.rglob("*.ts") if path.name != "follow.ts"]
    calls = [match for text in texts for match in re.findall(r"\bfollow\(\s*\w+,\s*(\w+)", text)]
    assert len(calls) > 10
    tests = ROOT / "tb_plugin/frontend/tests/state/loader.test.ts"
    kinds = tests.read_text().partition("const KINDS")[2].partition("];\n")[0]
    tried = re.findall(r", (\w+)\],$", kinds, re.MULTILINE)
    assert set(calls) == set(tried)


def test_no_two_modules_of_ours_import_each_other():
    """Not even in a function, or for types alone: whoever reads one should not have to read all."""
    files = [*(ROOT / "attn_monitor").rglob("*.py"), *(ROOT / "tb_plugin").rglob("*.py")]
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
        if "node_modules" not in path.parts
    }
    files.pop("attn_monitor")  # its names are looked up when they are asked for

    def needs(path):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & files.keys()
                yield from inner or {node.module} & files.keys()

    graph = {name: set(needs(path)) for name, path in files.items()}
    assert graph["tb_plugin.loader"] == {"tb_plugin.metadata", "tb_plugin.plugin"}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
