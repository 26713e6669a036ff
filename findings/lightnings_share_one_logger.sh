#!/usr/bin/env bash
# `lightning.pytorch` and `pytorch_lightning` speak of their progress through one module-level logger of
# `lightning_utilities`, which each sets to its own when it is imported. After the second import the lines of
# the first package carry the second one's name: a level or handler set on "lightning.pytorch" has no effect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 lightning==2.6.6 pytorch-lightning==2.6.6 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import logging
from importlib.metadata import version

from lightning.pytorch.utilities import rank_zero_info

print("lightning", version("lightning"), "pytorch-lightning", version("pytorch-lightning"))
heard = []


class Ear(logging.Handler):
    def emit(self, record):
        heard.append(record.getMessage())


logging.getLogger("lightning.pytorch").addHandler(Ear())
rank_zero_info("before the other package is imported")
import pytorch_lightning  # noqa: E402, F401

rank_zero_info("after it")
print("heard on lightning.pytorch:", heard)
assert heard == ["before the other package is imported"]
PY
