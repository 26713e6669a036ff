#!/usr/bin/env bash
# DiffLlama subtracts one attention from another, scaled by lambda. `output_attentions` looks like that
# difference and is not: it is the plain softmax, rows summing to 1, none negative. Moving lambda changes
# what the model answers and leaves every returned weight as it was.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import torch
import transformers
from transformers import DiffLlamaConfig, DiffLlamaModel

torch.set_num_threads(1)
torch.manual_seed(0)
print("torch", torch.__version__, "transformers", transformers.__version__)
small = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
small |= {"num_attention_heads": 4, "num_key_value_heads": 4, "attn_implementation": "eager"}
model = DiffLlamaModel(DiffLlamaConfig(**small)).eval()
ids = torch.randint(1, 50, (1, 6))
attention = model.layers[0].self_attn
with torch.no_grad():
    before = model(ids, output_attentions=True)
    attention.lambda_q1 += 1.0
    attention.lambda_k1 += 1.0
    after = model(ids, output_attentions=True)
weights = before.attentions[0]
answered = (after.last_hidden_state - before.last_hidden_state).abs().max().item()
returned = (after.attentions[0] - weights).abs().max().item()
print("row sums:", sorted({round(v, 4) for v in weights.sum(-1).flatten().tolist()}))
print("lambda moved: the answer changes by", round(answered, 3), "and the weights by", returned)
assert answered > 0.1
assert returned < 1e-6
assert (weights.sum(-1) - 1).abs().max() < 1e-5
PY
