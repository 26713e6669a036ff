"""What a user may set is shown by inspect.signature, once, and named right wherever it is named."""

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from torch import nn

from attn_monitor import (
    AttentionMonitor,
    AttentionRecorder,
    Wrapper,
    audit_masks,
    record_checkpoints,
)
from attn_monitor.asking import ask
from attn_monitor.cli import main
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.figures.planes import Norm, Pruning
from attn_monitor.integrations.transformers import AttentionCallback
from attn_monitor.monitor.options import MonitorOptions
from attn_monitor.store import Run
from attn_monitor.wrapper.picture import draw

ROOT = Path(__file__).parents[2]
SPEAKING = {
    "AttentionMonitor": AttentionMonitor,
    "AttentionRecorder": AttentionRecorder,
    "AttentionCallback": AttentionCallback,
    "record_checkpoints": record_checkpoints,
}
# How each is called where it is written about.
CALLED = {
    **{rf"\b{name}": function for name, function in SPEAKING.items()},
    r"\baudit_masks": audit_masks,
    r"\b[Ww]rapper(?:\(\w*\))?\.draw": Wrapper.draw,
    r"\brun\.ask": Run.ask,
}
COMMANDS = ("inspect", "export", "verify", "record", "ask", "report", "compare", "watch")


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


def test_what_a_run_is_asked_is_what_asking_takes():
    beside_the_run = list(shown(ask).values())[1:]
    offered = list(shown(Run.ask).values())[1:]
    assert [(p.name, p.default) for p in offered] == [(p.name, p.default) for p in beside_the_run]


@pytest.mark.parametrize("described", [AttentionMonitor, Wrapper.draw, Run.ask, audit_masks])
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
        (lambda: record_checkpoints(None, [], "*", log_dir="-", prboes=1), "mean 'probes'"),
        (lambda: audit_masks(None, None, maks="causal"), "mean 'mask'"),
        (lambda: Run.ask(None, None, "", checkpoint="*.ckpt"), "mean 'checkpoints'"),
    ],
)
def test_an_unknown_option_names_the_nearest(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exprot", "x"], "there is no command 'exprot'; did you mean 'export'?"),
        (["export", "x", "--setps=0"], "there is no option '--setps'; did you mean '--steps'?"),
        (["record", "--modle", "m:f"], "there is no option '--modle'; did you mean '--model'?"),
        (["verify", "x", "--zzz"], "there is no option '--zzz'; it has '-h', '--help'"),
    ],
)
def test_the_command_line_names_the_nearest(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


def test_the_command_line_takes_options_as_it_did(capsys):
    assert main(["report", "nowhere", "--js"]) == 1  # argparse takes the start of an option
    assert main(["report", "nowhere", "--fail-on=leak"]) == 1
    assert "--js" not in capsys.readouterr().err


@pytest.mark.parametrize("monitor", [AttentionMonitor, AttentionCallback])
def test_epochs_and_steps_together_are_refused(monitor):
    with pytest.raises(ConfigurationError, match=r"every_n_epochs=1 and every_n_steps=5; .*leave"):
        monitor(every_n_epochs=1, every_n_steps=5)


def texts():
    """Everything that is said to people: pages, and the strings of messages and docstrings."""
    texts = {p: p.read_text() for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
    for path in [*(ROOT / "attn_monitor").rglob("*.py"), *(ROOT / "tb_plugin").rglob("*.py")]:
        strings = ast.walk(ast.parse(path.read_text()))
        texts[path] = "\n".join(
            n.value for n in strings if isinstance(n, ast.Constant) and isinstance(n.value, str)
        )
    for path in (ROOT / "tb_plugin" / "frontend" / "src").rglob("*.ts*"):
        texts[path] = path.read_text()
    return {str(path.relative_to(ROOT)): text for path, text in texts.items()}


def mentions():
    """Every (where, function, option) that a message, a docstring or a page names."""
    for path, text in texts().items():
        for called, function in CALLED.items():
            for match in re.finditer(rf"{called}\(((?:[^()]|\([^()]*\))*)\)", text):
                inner = re.sub(r"\([^()]*\)|\[[^\]]*\]", "", match[1])
                for option in re.findall(r"(?:^|,|\s)(\w+)=(?!=)", inner):
                    yield path, function, option
        for match in re.finditer(r"viz=\{([^}]*)\}", text):
            for option in re.findall(r"[\"'](\w+)[\"']:", match[1]):
                yield path, Wrapper.draw, option


def test_every_option_that_is_named_anywhere_exists():
    found = set(mentions())
    assert len({option for _, _, option in found}) > 10
    assert {function for _, function, _ in found} >= {AttentionMonitor, Wrapper.draw, Run.ask}
    assert ("attn_monitor/store/maps.py", AttentionMonitor, "lens_sentences") in found
    assert [each for each in found if each[2] not in shown(each[1])] == []


def test_every_option_of_the_command_line_that_is_named_anywhere_exists(capsys):
    taken = {}
    for command in COMMANDS:
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        taken[command] = set(re.findall(r"--[a-z][\w-]*", capsys.readouterr().out))
    named = {
        (path, command, option)
        for path, text in texts().items()
        for command, rest in re.findall(r"attn-monitor ([a-z]+)\b([^`\n]*)", text)
        if command in COMMANDS
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", rest)
    }
    assert len(named) > 5
    assert [each for each in sorted(named) if each[2] not in taken[each[1]]] == []


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
