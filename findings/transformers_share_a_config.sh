#!/usr/bin/env bash
# Two BERTs made of one config object, the first to attend by sdpa, the second eagerly. `_from_config` notes the choice
# in the config that both hold and reads it anew at every pass, so the first one answers eagerly from then on. Whoever
# compares implementations that way compares one with itself: the difference is exactly 0, and looks like a proof.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 transformers==5.23.0
"$folder/env/bin/python" - <<'PY'
import torch
import transformers
from torch.nn import functional as F
from transformers import BertConfig, BertModel

print("torch", torch.__version__, "transformers", transformers.__version__)
config = BertConfig(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=50
)
calls = []
fused = F.scaled_dot_product_attention


def counted(*args, **kwargs):
    calls.append(1)
    return fused(*args, **kwargs)


F.scaled_dot_product_attention = torch.nn.functional.scaled_dot_product_attention = counted


def fused_calls(model):
    calls.clear()
    with torch.no_grad():
        model.eval()(torch.arange(8)[None])
    return len(calls)


first = BertModel._from_config(config, attn_implementation="sdpa")
before = fused_calls(first)
second = BertModel._from_config(config, attn_implementation="eager")
after = fused_calls(first)
print("fused calls of the model made for sdpa:", before, "- after another was made eager:", after)
print("they hold one config:", first.config is second.config)
assert (before, after) == (2, 0)
PY
