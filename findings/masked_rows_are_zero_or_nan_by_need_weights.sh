#!/usr/bin/env bash
# A query whose mask forbids every key: `nn.MultiheadAttention` answers zeros (plus its output bias) when it is not
# asked for weights and NaN when it is, same module, same mask. The fused call fills such rows with zeros whether its
# mask is boolean or additive -inf; softmax written out does not. Looking at the weights changes what the model says,
# and a mask that shuts a query out passes unnoticed for as long as nobody looks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
print("torch", torch.__version__)
attention = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
tokens = torch.randn(1, 3, 8)
mask = torch.zeros(3, 3)
mask[1] = -torch.inf
with torch.no_grad():
    plain, _ = attention(tokens, tokens, tokens, attn_mask=mask, need_weights=False)
    asked, weights = attention(tokens, tokens, tokens, attn_mask=mask, need_weights=True)
print("not asked for weights: query 1 answers", plain[0, 1].tolist()[:3], "...")
print("asked for weights:     query 1 answers", asked[0, 1].tolist()[:3], "...")
assert torch.equal(plain[0, 1], attention.out_proj.bias)
assert asked[0, 1].isnan().all() and weights[0, 1].isnan().all()
assert torch.allclose(plain[0, [0, 2]], asked[0, [0, 2]], atol=1e-6)

query = torch.randn(1, 1, 3, 4)
fused = F.scaled_dot_product_attention(query, query, query, attn_mask=mask)
boolean = F.scaled_dot_product_attention(query, query, query, attn_mask=mask == 0)
written_out = (query @ query.mT / 2 + mask).softmax(-1) @ query
print("fused, additive and boolean:", fused[0, 0, 1].tolist(), boolean[0, 0, 1].tolist())
print("softmax written out:        ", written_out[0, 0, 1].tolist())
assert not fused[0, 0, 1].any() and not boolean[0, 0, 1].any()
assert written_out[0, 0, 1].isnan().all()
PY
