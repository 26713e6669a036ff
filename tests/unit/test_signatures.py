"""What a user may set is shown by inspect.signature, once, and named right wherever it is named."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from torch import nn

from attn_monitor import AttentionMonitor, AttentionRecorder, Wrapper
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.figures.planes import Norm, Pruning
from attn_monitor.integrations.transformers import AttentionCallback
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.wrapper.picture import draw

ROOT = Path(__file__).parents[2]
SPEAKING = {
    "AttentionMonitor": AttentionMonitor,
    "AttentionRecorder": AttentionRecorder,
    "AttentionCallback": AttentionCallback,
}


def shown(function):
    return inspect.signature(function).parameters


@pytest.mark.parametrize("name", SPEAKING)
def test_every_option_is_shown_with_its_default(name):
    found = shown(SPEAKING[name])
    for field in fields(MonitorOptions):
        assert found[field.name].default == field.default, field.name
        assert found[field.name].annotation == field.type, field.name
    assert not [p for p in found.values() if p.kind is p.VAR_KEYWORD]


def test_what_wrapper_draw_shows_is_what_the_picture_takes():
    offered = set(shown(Wrapper.draw)) - {"self"}
    assert offered == set(shown(draw)) - {"attention", "training"}
    assert not [p for p in shown(Wrapper.draw).values() if p.kind is p.VAR_KEYWORD]
    assert shown(Wrapper.draw)["norm"].default == "uniform"


@pytest.mark.parametrize("described", [AttentionMonitor, Wrapper.draw])
def test_every_option_is_described_once(described):
    text = inspect.getdoc(described)
    assert [n for n in shown(described) if n != "self" and f"\n    {n}: " not in text] == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AttentionMonitor(probe=3), "AttentionMonitor.*'probe'; did you mean 'probes'"),
        (lambda: AttentionMonitor(xyz=3), "AttentionMonitor.*'xyz'; it has .*'probes'.*'seed'"),
        (lambda: AttentionRecorder(None, [], log_dir="-", topolgy=True), "mean 'topology'"),
        (lambda: AttentionCallback(every_n_step=3), "mean 'every_n_steps'"),
        (lambda: Wrapper(nn.Identity()).draw(nrom="rank"), r"Wrapper\.draw\(\) .*mean 'norm'"),
    ],
)
def test_an_unknown_option_names_the_nearest(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("monitor", [AttentionMonitor, AttentionCallback])
def test_epochs_and_steps_together_are_refused(monitor):
    with pytest.raises(ConfigurationError, match=r"every_n_epochs=1 and every_n_steps=5; .*leave"):
        monitor(every_n_epochs=1, every_n_steps=5)


def mentions():
    """Every (where, class, option) that a message, a docstring or a page names."""
    texts = {p: p.read_text() for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
    for path in [*(ROOT / "attn_monitor").rglob("*.py"), *(ROOT / "tb_plugin").rglob("*.py")]:
        strings = ast.walk(ast.parse(path.read_text()))
        texts[path] = "\n".join(
            n.value for n in strings if isinstance(n, ast.Constant) and isinstance(n.value, str)
        )
    for path in (ROOT / "tb_plugin" / "frontend" / "src").rglob("*.ts*"):
        texts[path] = path.read_text()
    called = re.compile(rf"\b({'|'.join(SPEAKING)})\(((?:[^()]|\([^()]*\))*)\)")
    for path, text in texts.items():
        for match in called.finditer(text):
            inner = re.sub(r"\([^()]*\)|\[[^\]]*\]", "", match[2])
            for option in re.findall(r"(?:^|,|\s)(\w+)=(?!=)", inner):
                yield str(path.relative_to(ROOT)), match[1], option


def test_every_option_that_is_named_anywhere_exists():
    found = set(mentions())
    assert len({option for _, _, option in found}) > 10
    assert ("attn_monitor/store/maps.py", "AttentionMonitor", "lens_sentences") in found
    assert [each for each in sorted(found) if each[2] not in shown(SPEAKING[each[1]])] == []


def test_the_readme_shows_the_defaults():
    text = (ROOT / "README.md").read_text().partition("## Options")[2]
    said = dict(re.findall(r"(\w+)=([\w.]+)", text[: text.index(")`")]))
    meant = {name: p.default for name, p in shown(AttentionMonitor).items()}
    assert {name: ast.literal_eval(value) for name, value in said.items()} == meant


def test_wrapper_and_tab_have_one_vocabulary():
    """One CS559 graph: what `Wrapper.draw` calls a norm or a rule, the tab and its address do."""
    layout = ROOT / "tb_plugin" / "frontend" / "src" / "layout" / "graph"
    norms = re.search(r"type Norm = ([^;]+);", (layout / "token_graph.ts").read_text())[1]
    rules = re.search(r"type Prune = ([^;]+);", (layout / "graph_prune.ts").read_text())[1]
    assert set(re.findall(r'"(\w+)"', norms)) == set(get_args(Norm))
    # "auto" is the tab's word for each token's strongest, which has a number here.
    ours = {field.name for field in fields(Pruning)} - {"per_token"}
    assert set(re.findall(r'"(\w+)"', rules)) - {"auto"} == ours
    assert ours <= set(shown(Wrapper.draw))
