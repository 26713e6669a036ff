import pytest

from tb_plugin.server.static import static_file


@pytest.fixture
def bundle(tmp_path):
    root = tmp_path / "static"
    (root / "chunks").mkdir(parents=True)
    (root / "index.js").write_text("export function render() {}")
    (root / "chunks" / "graph-abc.js").write_text("export {}")
    (root / "style-abc.css").write_text("a {}")
    (root / "index.js.map").write_text("{}")
    (root / "notes.txt").write_text("x")
    (root / "offline.js").write_text("show()")
    (root / "notebook.js").write_text("export default {}")
    (tmp_path / "secret.js").write_text("secret")
    (root / "linked.js").symlink_to(tmp_path / "secret.js")
    return root


def test_files_get_a_type_that_browsers_accept_for_modules_and_styles(bundle):
    types = {
        name: static_file(name, bundle=bundle).content_type
        for name in ("index.js", "chunks/graph-abc.js", "style-abc.css")
    }
    assert types == {
        "index.js": "text/javascript",
        "chunks/graph-abc.js": "text/javascript",
        "style-abc.css": "text/css",
    }


def test_files_named_by_their_content_may_be_kept_and_the_entry_may_not(bundle):
    assert static_file("chunks/graph-abc.js", bundle=bundle).immutable
    assert not static_file("index.js", bundle=bundle).immutable


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../secret.js",
        "linked.js",
        "index.js.map",
        "notes.txt",
        "offline.js",
        "notebook.js",
        "chunks",
        "/etc",
    ],
)
def test_nothing_else_is_served(bundle, name):
    assert static_file(name, bundle=bundle) is None


def test_an_installation_without_a_bundle_says_so_in_the_tab(tmp_path):
    file = static_file("index.js", bundle=tmp_path / "missing")
    assert b"export function render()" in file.content
    assert b"Reinstall attn-monitor" in file.content
    assert static_file("style.css", bundle=tmp_path / "missing") is None
