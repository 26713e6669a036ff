#!/usr/bin/env bash
# The weighted clustering coefficient of a triangle changes when a far, unconnected edge is added:
# networkx divides every weight by the largest weight of the whole graph. Two heads, or two training
# steps, whose strongest link differs cannot be compared by it, even where the words' own links are equal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check networkx==3.6.1 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
from importlib.metadata import version

import networkx as nx

print("networkx", version("networkx"))
graph = nx.Graph()
graph.add_weighted_edges_from([(0, 1, 0.2), (1, 2, 0.2), (0, 2, 0.2)])
alone = nx.clustering(graph, 0, weight="weight")
graph.add_edge("far", "away", weight=1.0)
beside = nx.clustering(graph, 0, weight="weight")
print("triangle of .2 alone:", round(alone, 6))
print("the same beside one edge of 1.0:", round(beside, 6))
assert abs(alone - 1.0) < 1e-9 and abs(beside - 0.2) < 1e-9
PY
