#!/usr/bin/env bash
# A ring of four tokens has one loop. `SimplexTree.persistence()` of that graph reports none: by default
# gudhi leaves out the homology of the complex's highest dimension, and in a graph loops are just that.
# Betti curves of an attention graph without filled triangles are zero in silence unless
# `persistence_dim_max=True` is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check gudhi==3.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
from importlib.metadata import version

import gudhi

print("gudhi", version("gudhi"))
ring = gudhi.SimplexTree()
for token in range(4):
    ring.insert([token], 0.0)
for token in range(4):
    ring.insert([token, (token + 1) % 4], 0.5)
default = [bar for dimension, bar in ring.persistence() if dimension == 1]
complete = [bar for dimension, bar in ring.persistence(persistence_dim_max=True) if dimension == 1]
print("loops by default:", default)
print("loops with persistence_dim_max=True:", complete)
assert default == [] and len(complete) == 1
PY
