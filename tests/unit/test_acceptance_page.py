"""The page that says where each item is seen: all items are there, and all that it links exists."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "acceptance.md"
COUNTS = {"S": 33, "C": 28, "B": 24, "D": 24}
ROW = re.compile(r"^\| ([SCBD]\d+) \| (.+) \| (seen|not yet) \| (.+) \|$", re.MULTILINE)
LINK = re.compile(r"\[(`\w+`|“[^”]+”|picture)\]\(([\w./-]+)\)")

ROWS = {item: (state, evidence) for item, _, state, evidence in ROW.findall(PAGE.read_text())}


def test_every_item_is_there_once_and_in_order():
    wanted = [f"{letter}{at}" for letter, count in COUNTS.items() for at in range(1, count + 1)]
    assert [item for item, *_ in ROW.findall(PAGE.read_text())] == wanted


@pytest.mark.parametrize("item", ROWS)
def test_what_is_seen_names_a_test_or_a_picture_that_exists(item):
    state, evidence = ROWS[item]
    links = LINK.findall(evidence)
    assert links or state == "not yet"
    for text, address in links:
        target = (PAGE.parent / address).resolve()
        assert target.is_file(), address
        if text.startswith("`"):
            assert f"def test_{text.strip('`')}(" in target.read_text(), text
        elif text.startswith("“"):
            assert f'it("{text.strip("“”")}"' in target.read_text(), text
