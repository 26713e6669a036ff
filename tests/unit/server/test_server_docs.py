"""What http_api.md shows is what the server sends."""

import json
import re
from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pytest
from frames import read_frame
from markers import write_run
from recordings import encoder_info, record
from wsgi_tab import Tab

from attn_monitor.analysis.methods.redundancy import HeadPair, IdleHead
from attn_monitor.signals import Band, Curve, Signal
from attn_monitor.store import Proofs
from tb_plugin.server.routes import ROUTES


@pytest.fixture(scope="module")
def sections(request):
    text = (request.config.rootpath / "tb_plugin" / "http_api.md").read_text()
    return dict(
        section.split("\n", 1) for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    )


def block(section, language):
    return re.search(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)[1]


def frame_in(section):
    digits = [re.split(r"\s{3,}", line)[0] for line in block(section, "").splitlines()]
    return read_frame(bytes.fromhex("".join(digits)))


def keys_of(value):
    """The names in a JSON document, level by level; lists by their first element."""
    if isinstance(value, dict):
        return {name: keys_of(inner) for name, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return keys_of(value[0])
    return None


def test_the_headings_are_the_routes_and_every_one_has_an_example(sections, tab):
    routes = {f"`{route}`" for route in tab.plugin.get_plugin_apps()}
    assert routes == {f"`/{name}`" for name in ROUTES} | {"`/index`", "`/static/*`"}
    assert {heading for heading in sections if heading.startswith("`/")} == routes
    for route in routes:
        assert "```" in sections[route]


@pytest.mark.parametrize("name", ROUTES)
def test_what_changes_with_its_step_alone_may_be_asked_with_a_version(sections, name):
    section = sections[f"`/{name}`"]
    explained = "`v=" in section or "The parameters of `/lens`" in section
    assert explained == (ROUTES[name].changes == "step")
    query = get_type_hints(ROUTES[name].read)["return"]
    assert ROUTES[name].changes == "run" or "step" in {field.name for field in fields(query)}


def test_the_page_asks_for_every_route_and_no_other(request):
    source = (request.config.rootpath / "tb_plugin/frontend/src/api/source.ts").read_text()
    asked = set(re.findall(r"(?:json|bytes)\(\s*\"(\w+)\"", source))
    assert asked - {"index"} == set(ROUTES)


def test_json_examples_have_the_fields_of_real_replies(sections, tab):
    index = json.loads(block(sections["`/index`"], "json"))
    assert keys_of(index) == keys_of(tab.get("index").json)
    run = json.loads(block(sections["`/run`"], "json"))
    real = tab.get("run", run="exp/version_0").json
    assert run["classes"].keys() == {"names", "method"}
    assert run["untouched"].keys() == {f.name for f in fields(Proofs)} | {"sentences"}
    for document in (run, real):  # these depend on the run
        document["options"] = {}
        document["classes"] = None
        document["untouched"] = None
        document["probes"][0]["target"] = None
    assert keys_of(run) == keys_of(real)


def test_computed_examples_have_the_fields_of_real_replies(sections, tmp_path):
    info = encoder_info(lengths=(6, 5))
    write_run(tmp_path / "a", info, [record(info, 0, vectors=True)])
    tab = Tab(tmp_path)
    head = {"run": "a", "step": 0, "part": "encoder", "probe": 0, "layer": 0, "head": 0}
    for path in ("piles", "lens", "elbow", "joint", "over_time", "curves"):
        example = json.loads(block(sections[f"`/{path}`"], "json"))
        real = tab.get(path, **head, metrics="row_entropy").json
        assert keys_of(example) == keys_of(real)


def test_the_example_of_redundancy_has_its_fields(sections, tab):
    example = json.loads(block(sections["`/redundancy`"], "json"))
    assert set(example) == set(
        tab.get("redundancy", run="exp/version_0", step=10, part="encoder").json
    )
    assert set(example["pairs"][0]) == {field.name for field in fields(HeadPair)}
    assert set(example["idle"][0]) == {field.name for field in fields(IdleHead)}


def test_the_example_of_signals_has_their_fields(sections, tab):
    example = json.loads(block(sections["`/signals`"], "json"))
    real = tab.get("signals", run="exp/version_0").json
    assert set(example) == set(real)
    assert set(example["losses"]) == set(real["losses"])
    (signal,) = example["signals"]
    assert set(signal) == {field.name for field in fields(Signal)}
    assert set(signal["band"]) == {field.name for field in fields(Band)}
    assert set(signal["curves"][0]) == {field.name for field in fields(Curve)}


def test_frame_examples_decode_to_what_their_comments_say(sections):
    kind, maps = frame_in(sections["`/attention`"])
    assert kind == 1
    np.testing.assert_allclose(maps, [[[[1, 0], [0.5, 0.5]]]])
    kind, steps, values = frame_in(sections["`/metrics`"])
    assert (kind, steps.tolist()) == (3, [120])
    np.testing.assert_array_equal(values, np.array([[[[0.5, np.nan]]]], np.float32))
