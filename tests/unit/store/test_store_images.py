"""Images behind patch tokens: written once, read back by the byte, refused when they cannot be."""

import base64
import json
from dataclasses import replace

import pytest
from recordings import encoder_info, record, rewrite

from attn_monitor.core.errors import CorruptRecordingError
from attn_monitor.core.nouns import PatchImage
from attn_monitor.store import RunWriter, open_run
from attn_monitor.store.names import rank_folder
from tb_plugin.server.describe import describe_run


@pytest.fixture
def image():
    """Six patches in two rows of 2 x 2 coloured pixels."""
    return PatchImage(rows=2, columns=3, side=2, channels=3, pixels=bytes(range(72)))


@pytest.fixture
def run_dir(tmp_path, image):
    info = encoder_info(lengths=(4, 7))  # one special token each
    words, patches = info.probes
    source = replace(patches.source, image=image)
    info = replace(info, probes=(words, replace(patches, source=source)))
    with RunWriter(tmp_path, info) as writer:
        writer.write(record(info, 5))
    return tmp_path


def description(run_dir):
    return run_dir / rank_folder(0) / "run.json"


def test_an_image_comes_back_as_it_was_recorded(run_dir, image):
    words, patches = open_run(run_dir).probes
    assert patches.source.image == image
    assert words.source.image is None


def test_words_are_written_as_before_there_were_images(run_dir):
    words, patches = json.loads(description(run_dir).read_text())["probes"]
    assert set(words["source"]) == {"text", "special"}
    assert set(patches["source"]) == {"text", "special", "image"}


def test_the_tab_is_sent_the_same_image(run_dir, image):
    words, patches = describe_run(open_run(run_dir), "name")["probes"]
    assert "image" not in words["source"]
    assert patches["source"]["image"] == {
        "rows": 2,
        "columns": 3,
        "side": 2,
        "channels": 3,
        "pixels": base64.b64encode(image.pixels).decode(),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 3}, "expected 6 patches, 1 or 3 channels and 108 bytes"),
        ({"side": 1}, "1 or 3 channels and 18 bytes"),
        ({"side": 17}, "image.side is 17, expected 1 to 16"),
        ({"channels": 2}, "in 2 channels in 72 bytes"),
        ({"rows": 10**9}, "image.rows is 1000000000, expected 1 to 256"),
        ({"pixels": "no base64!"}, "image.pixels is not base64"),
        ({"pixels": 5}, "image.pixels should be text"),
    ],
)
def test_an_image_that_does_not_add_up_is_refused(run_dir, change, message):
    rewrite(
        description(run_dir),
        lambda document: document["probes"][1]["source"]["image"].update(change),
    )
    with pytest.raises(CorruptRecordingError, match=message):
        open_run(run_dir)
