#!/usr/bin/env bash
# Two tokens at distance 0 (each gives the other all its attention: 1 - weight = 0) are one component from
# the start. ripser says so of a dense matrix; handed the same matrix as sparse, it takes the zero for a
# missing edge and keeps the two apart until they meet through a third token.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check ripser==0.6.15 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
"$folder/env/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from ripser import ripser
from scipy.sparse import coo_matrix

print("ripser", version("ripser"))
distance = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
dense = ripser(distance, distance_matrix=True)["dgms"][0]
sparse = ripser(coo_matrix(distance), distance_matrix=True)["dgms"][0]
print("dense, [birth, death] of components:", dense.tolist())
print("sparse:", sparse.tolist())
assert len(dense) == 2 and len(sparse) == 3
PY
