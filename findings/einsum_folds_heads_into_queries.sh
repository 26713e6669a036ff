#!/usr/bin/env bash
# Multi-query attention written as `einsum("bhid,bjd->bhij")`: the scores come out as [batch, head, query, key], yet no
# operator below ever has an axis of heads. Since the keys have none, einsum folds heads and queries into rows of one
# product per sentence, [batch, head * query, key]. With keys per head it multiplies once per sentence and head. Who
# watches operators sees one head with too many queries.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import torch
from torch.utils._python_dispatch import TorchDispatchMode

print("torch", torch.__version__)


class Products(TorchDispatchMode):
    seen: list

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        if operator is torch.ops.aten.bmm.default:
            self.seen.append(tuple(result.shape))
        return result


def products(spelling, query, key):
    mode = Products()
    mode.seen = []
    with mode:
        scores = torch.einsum(spelling, query, key)
    return tuple(scores.shape), mode.seen


query = torch.randn(2, 4, 12, 8)  # batch, head, query, width
shared = products("bhid,bjd->bhij", query, torch.randn(2, 12, 8))
apart = products("bhid,bhjd->bhij", query, torch.randn(2, 4, 12, 8))
print("keys shared by the heads: scores", shared[0], "made by a product of shape", shared[1])
print("keys of every head:       scores", apart[0], "made by a product of shape", apart[1])
assert shared == ((2, 4, 12, 12), [(2, 48, 12)])
assert apart == ((2, 4, 12, 12), [(8, 12, 12)])
PY
