import uuid

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.store.folder import folder_at
from attn_monitor.store.local import LocalFolder
from attn_monitor.store.remote import RemoteFolder


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    if request.param == "local":
        yield folder_at(tmp_path)
    else:
        url = f"memory://{uuid.uuid4().hex}"
        folder_at(url).write("there", b"")
        yield folder_at(url)
        fsspec.filesystem("memory").rm(url, recursive=True)


def test_paths_and_urls_choose_their_folder(tmp_path):
    assert isinstance(folder_at(tmp_path), LocalFolder)
    assert folder_at(f"file://{tmp_path}").location == folder_at(tmp_path).location
    assert isinstance(folder_at("memory://x"), RemoteFolder)


def test_objects_are_read_whole_and_in_ranges(folder):
    folder.write("a/b.bin", b"0123456789")
    assert folder.read("a/b.bin") == b"0123456789"
    assert folder.read("a/b.bin", 2, 5) == b"234"
    assert folder.read("a/b.bin", 8, 99) == b"89"
    assert folder.size("a/b.bin") == 10
    assert folder.sizes("a") == {"b.bin": 10}
    assert folder.folders("") == ("a",)
    folder.remove("a/b.bin")
    folder.remove("a/b.bin")
    with pytest.raises(FileNotFoundError):
        folder.read("a/b.bin")
    with pytest.raises(FileNotFoundError):
        folder.size("a/b.bin")


def test_what_does_not_exist_is_empty(folder):
    folder.write("x", b"")
    assert folder.sizes("nowhere") == {}
    assert folder.folders("nowhere") == ()
    assert folder.log_size("nowhere") == 0
    assert folder.read_log("nowhere") == b""
    assert folder.read_log_pieces("nowhere", [(0, 4), (7, 9)]) == [b"", b""]


def test_a_log_grows_and_is_cut(folder):
    assert folder.append_log("log", b"abc") == 0
    assert folder.append_log("log", b"defg") == 3
    assert folder.append_log("log", b"h") == 7
    assert folder.read_log("log") == b"abcdefgh"
    assert folder.read_log("log", 2) == b"cdefgh"
    assert folder.read_log("log", 2, 4) == b"cd"
    assert folder.log_size("log") == 8
    folder.truncate_log("log", 5)
    assert folder.read_log("log") == b"abcde"
    assert folder.append_log("log", b"XY") == 5
    assert folder.read_log("log", 4, 99) == b"eXY"


@settings(deadline=None)
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=9), max_size=6),
    ranges=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6),
)
def test_ranges_of_a_log_are_slices_of_what_was_appended(tmp_path_factory, pieces, ranges):
    url = f"memory://{uuid.uuid4().hex}"
    for folder in (folder_at(tmp_path_factory.mktemp("log")), folder_at(url)):
        for piece in pieces:
            folder.append_log("log", piece)
        whole = b"".join(pieces)
        expected = [whole[start:end] for start, end in ranges]
        assert folder.read_log_pieces("log", ranges) == expected
        assert [folder.read_log("log", start, end) for start, end in ranges] == expected


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x"])
def test_names_cannot_leave_a_local_folder(tmp_path, name):
    inside = folder_at(tmp_path / "inside")
    for action in (inside.read, inside.size, lambda n: inside.write(n, b""), inside.remove):
        with pytest.raises(CorruptRecordingError, match="leads out of that directory"):
            action(name)
