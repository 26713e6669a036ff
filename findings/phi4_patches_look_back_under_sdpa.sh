#!/usr/bin/env bash
# The image tower of Phi-4 multimodal attends in both directions when eager, or when one image of the batch is padded.
# With whole images under sdpa its layers carry `is_causal = True` and no mask: each patch reads only the patches before
# it, so the same weights answer otherwise. One would guess rounding between the two, and the same answer for an image
# whether or not the batch holds a smaller one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 transformers==5.23.0
"$folder/env/bin/python" - <<'PY'
import torch
import transformers
from transformers.models.phi4_multimodal import modeling_phi4_multimodal as phi4
from transformers.models.phi4_multimodal.configuration_phi4_multimodal import (
    Phi4MultimodalVisionConfig,
)

print("torch", torch.__version__, "transformers", transformers.__version__)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def tower(implementation):
    torch.manual_seed(0)
    config = Phi4MultimodalVisionConfig(**SIZES, image_size=56, patch_size=14, crop_size=56)
    config._attn_implementation = implementation
    return phi4.Phi4MultimodalVisionModel(config).eval()


def reach(model, images, mask):
    """Return which of 16 patches move the first patch's answer in the first image."""
    with torch.no_grad():
        before = model(pixel_values=images, patch_attention_mask=mask).last_hidden_state[0, 0]
        moved = []
        for patch in range(16):
            changed = images.clone()
            row, column = 14 * (patch // 4), 14 * (patch % 4)
            changed[0, :, row : row + 14, column : column + 14] += 1
            after = model(pixel_values=changed, patch_attention_mask=mask).last_hidden_state[0, 0]
            moved.append(bool((after - before).abs().max() > 1e-6))
    return sum(moved)


torch.manual_seed(1)
images = torch.randn(2, 3, 56, 56)
whole = torch.ones(2, 4, 4, dtype=torch.bool)
padded = whole.clone()
padded[1, 2:] = False  # the second image is smaller; the first is whole in both
found = {}
for name in ("eager", "sdpa"):
    found[name] = reach(tower(name), images, whole), reach(tower(name), images, padded)
    print(f"{name}: of 16 patches {found[name][0]} reach the first one; {found[name][1]} beside a padded image")
assert found == {"eager": (16, 16), "sdpa": (1, 16)}
PY
