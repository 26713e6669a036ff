#!/usr/bin/env bash
# MobileBERT puts each token's embedding together with those of its two neighbours before the first layer,
# whatever `attention_mask` says: the embedding of the padding token moves the logits of the last word.
# In BERT, with the same mask, it moves none. So a batch padded to another length gives other predictions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 transformers==5.23.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import warnings

import torch
import transformers
from transformers import AutoConfig, AutoModelForMaskedLM

warnings.simplefilter("ignore")
torch.set_num_threads(1)
print("torch", torch.__version__, "transformers", transformers.__version__)
small = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
small |= {"num_attention_heads": 4, "max_position_embeddings": 64}
widths = {"embedding_size": 32, "intra_bottleneck_size": 32, "true_hidden_size": 32}
ids = torch.tensor([[5, 6, 7, 8, 0, 0, 0]])  # four words, three times padding
mask = (ids != 0).long()
changes = {}
for kind, more in {"bert": {}, "mobilebert": widths}.items():
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(kind, **small, **more)).eval()
    with torch.no_grad():
        before = model(ids, attention_mask=mask).logits[0, :4, 1:]
        model.get_input_embeddings().weight[0] += 1.0
        after = model(ids, attention_mask=mask).logits[0, :4, 1:]
    changes[kind] = (after - before).abs().amax(1)
    print(kind, "change of each word's logits:", [round(v, 4) for v in changes[kind].tolist()])
assert changes["bert"].max() < 1e-5
assert changes["mobilebert"][3] > 1e-2
PY
