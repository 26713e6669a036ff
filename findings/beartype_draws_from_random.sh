#!/usr/bin/env bash
# Checking an argument annotated as a list or sequence looks at one item, picked with Python's global
# random generator. Type checking a training function therefore moves the very state that a seed has set:
# the same seeded program draws other numbers with and without the decorator, though the function draws none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check beartype==0.23.1
"$folder/env/bin/python" - <<'PY'
import random
from importlib.metadata import version

from beartype import beartype


def count(tokens: list[int]) -> int:
    return len(tokens)


print("beartype", version("beartype"))
drawn = {}
for name, function in (("plain", count), ("checked", beartype(count))):
    random.seed(0)
    function([1, 2, 3])
    drawn[name] = random.random()
    print(name, "first number after the seed and one call:", round(drawn[name], 6))
assert drawn["plain"] != drawn["checked"]
PY
