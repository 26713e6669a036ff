#!/usr/bin/env bash
# In training mode `nn.MultiheadAttention(..., dropout=p)` returns its weights *after* dropout, divided by
# 1 - p: rows do not sum to 1, single weights pass 1, and an entropy computed from them is of the noise.
# In eval mode the same call returns the softmax. Nothing in the returned value tells which it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)
print("torch", torch.__version__)
layer = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
x = torch.randn(1, 6, 8)
with torch.no_grad():
    training = layer(x, x, x)[1][0].sum(-1)
    evaluation = layer.eval()(x, x, x)[1][0].sum(-1)
print("row sums in training:", [round(v, 3) for v in training.tolist()])
print("row sums in evaluation:", [round(v, 3) for v in evaluation.tolist()])
assert (training - 1).abs().max() > 0.05
assert (evaluation - 1).abs().max() < 1e-5
PY
