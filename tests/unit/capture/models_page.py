"""Write ``docs/models.md`` from the matrix that the tests run: ``python models_page.py``."""

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from model_zoo import ZOO
from test_capture_zoo import BOUNDS
from third_party_models import THIRD_PARTY

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


class Family(NamedTuple):
    """A family of attention and the test that proves it."""

    form: str
    oracle: str
    bound: str
    test: str


FAMILIES = (
    Family(
        "`nn.MultiheadAttention`: masks, padding, `batch_first`, `need_weights`, unbatched",
        "the weights it returns",
        "EXACT",
        "multihead.test_self_attention_equals_its_own_weights",
    ),
    Family(
        "`nn.MultiheadAttention`: cross, `kdim`/`vdim`, `add_bias_kv`, `add_zero_attn`",
        "the weights it returns",
        "EXACT",
        "multihead.test_cross_attention_equals_its_own_weights",
    ),
    Family(
        "`nn.TransformerEncoder`, fused, with padding, causal mask, `norm_first`",
        "its layers computed step by step, float64",
        "EXACT",
        "encoder.test_fused_weights_equal_the_layers_own_arithmetic_on_valid_rows",
    ),
    Family(
        "`F.scaled_dot_product_attention`: boolean, float and causal masks, scale; fused and math",
        "softmax in float64",
        "EXACT",
        "sdpa.test_weights_equal_a_float64_softmax",
    ),
    Family(
        "`F.scaled_dot_product_attention` with grouped queries",
        "softmax in float64",
        "EXACT",
        "sdpa.test_grouped_queries_share_keys",
    ),
    Family(
        "`flex_attention` with `score_mod`, `block_mask`, grouped queries",
        "softmax in float64",
        "EXACT",
        "flex.test_a_block_mask_hides_keys_and_a_row_without_keys_is_zero",
    ),
    Family(
        "Written by hand: matmul, einsum, swapped operands, `(B·H, T, T)`, ALiBi, soft cap, sinks, "
        "talking heads, `masked_fill`, exp/sum, sigmoid",
        "the model's own tensor",
        "0",
        "handwritten.test_weights_are_the_models_own_tensor",
    ),
    Family(
        "Jagged nested tensors",
        "softmax in float64, sentence by sentence",
        "EXACT",
        "kernels.test_jagged_tensors_are_captured_sentence_by_sentence",
    ),
    Family(
        "Extension kernels with flash-attn's convention, after `register_kernel`",
        "a stand-in kernel's own weights",
        "EXACT",
        "kernels.test_flash_attentions_calling_convention_is_understood",
    ),
    Family(
        "Packed sentences (`flash_attn_varlen_func`), after `register_kernel`",
        "softmax in float64, sentence by sentence",
        "EXACT",
        "kernels.test_packed_sentences_come_back_one_by_one",
    ),
    Family(
        "`torch.compile`, from outside, in place, or of inner blocks (runs uncompiled)",
        "the same blocks, written out",
        "EXACT",
        "wrappers.test_a_model_compiled_from_outside_or_in_place",
    ),
    Family(
        "Activation checkpointing, with the backward pass",
        "the same blocks, written out",
        "EXACT",
        "wrappers.test_activation_checkpointing_records_each_layer_once",
    ),
    Family(
        "`DistributedDataParallel`",
        "the same blocks, written out",
        "EXACT",
        "wrappers.test_distributed_data_parallel",
    ),
    Family(
        "FSDP2 (`fully_shard`), one and two ranks",
        "the same blocks, written out",
        "EXACT",
        "wrappers.test_fully_sharded_data_parallel",
    ),
    Family(
        "`torch.jit.trace` and `freeze` (no module names)",
        "the same blocks, written out",
        "EXACT",
        "wrappers.test_traced_and_frozen_models_are_read_without_module_names",
    ),
    Family(
        "Autocast to bfloat16",
        "the same arithmetic in bfloat16",
        "3e-3",
        "wrappers.test_autocast_is_followed_in_its_own_precision",
    ),
    Family(
        "bfloat16 weights",
        "softmax of the same queries and keys",
        "3e-3",
        "wrappers.test_bf16_weights",
    ),
)

INTRODUCTION = """\
# Which models work

`capture(model)` follows the operators of a forward pass, so it needs no list of models. This page
lists what the tests hold it to. It is written by `tests/unit/capture/models_page.py` from the
matrix those tests run; a test fails when it is out of date.

- **Largest difference**: between the captured weights and the oracle, over every weight of a
  valid query. Where two implementations differ on purpose (a query whose keys are all padding
  gets 0 from fused kernels and an even spread from eager code), the row is padding and left out.
- In every row the model's output is bit-identical (`torch.equal`) with and without capture.
- **Evidence**, shown per layer: *model* is the very tensor the model multiplied with its values;
  *verified* was computed again from queries and keys and reproduces the layer's output;
  *unverified* was computed again and not confirmed.
"""

UNAIDED = "its own tensor, or weights · values = output within 1e-5"

LIMITS = """\
## What is not captured, and why

- **Linear attention, state-space models**: there are no weights over keys.
  `describe_missing(model)` says so; `gaps` also names products of queries and keys that weigh
  values without a softmax (retention, division by the sum of sizes).
- **Attention-free transformers** (`exp(positions) @ (exp(keys) * values)`, or a sum of
  `exp(keys) * values` over an axis, divided by the same of the keys): every channel has weights of
  its own; `gaps` names them. Not named, unless the class is called like attention: keys softened
  channel by channel by a softmax and multiplied with values, as networks that mix branches do, too.
- **Compiled extension kernels that are not registered**: no operator of theirs is visible. Call
  `attn_monitor.capture.kernels.register_kernel(function)` with the Python function that calls the
  kernel.
- **CUDA kernels** (flash, memory-efficient, cuDNN, packed): written from the operators' schemas
  and not run; no GPU was available. They share the code of the CPU kernel but for argument names.
- **Worker threads** of `nn.DataParallel`: a dispatch mode belongs to one thread.
- **Additive attention, one query at a time** (Bahdanau's decoder step): its scores are no product
  of queries and keys. All queries beside all keys in one tensor are captured.
- **Single-token decoding with grouped queries and a static cache**: PyTorch itself folds the heads
  that share a key into the query axis, and they are shown so.
- **A learned query that is a bare parameter** multiplied with keys looks like a projection.

## Where outputs and weights differ

- **Rounding grows with the scores**: on a trained MiniLM, whose scores reach 40, recomputed float32
  weights are within 4.5e-7 of float64.

- **Compiled code** (`torch.compile`, Hugging Face's `flex_attention`) runs uncompiled while it is
  captured. The plain call of a compiled model then differs by the rounding of the compiler:
  measured 4.8e-7 (Llama) and 9.5e-7 (Gemma 2).
- **A float mask in a fused `nn.TransformerEncoderLayer`**: PyTorch itself reads every nonzero
  entry as "hidden". The capture shows what ran.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join(
        (
            INTRODUCTION,
            "## PyTorch and hand-written attention\n",
            table(("Form", "Oracle", "Largest difference"), family_rows()),
            "\n## Hugging Face models\n\nTiny random configurations, transformers 5; the oracle is "
            "what `output_attentions=True` returns from the\n`eager` implementation.\n",
            table(
                ("Model", "What is special", "Implementations: largest difference", "Parts"),
                zoo_rows(),
            ),
            "\n## Models of other packages\n\nTried as a new user would: build, capture, compare. "
            "They run in the tests where the package is installed.\n",
            table(("Package", "Model", "Parts", "Oracle", "Worth knowing"), third_party_rows()),
            "",
            LIMITS,
        )
    )


def family_rows():
    """One row per family; the bound is the constant its test module uses."""
    for family in FAMILIES:
        module_name, test = family.test.split(".")
        module = importlib.import_module(f"test_capture_{module_name}")
        if not callable(getattr(module, test, None)):
            raise LookupError(f"{test} is not in test_capture_{module_name}: the page would lie")
        bound = module.EXACT if family.bound == "EXACT" else float(family.bound)
        yield family.form, family.oracle, shown(bound)


def zoo_rows():
    """One row per Hugging Face model."""
    for entry in ZOO:
        bounds = (f"{name}: {shown(BOUNDS[name])}" for name in entry.implementations)
        yield entry.name, entry.feature, ", ".join(bounds), parts(entry.parts)


def third_party_rows():
    """One row per model of another package."""
    for entry in THIRD_PARTY:
        oracle = "the weights it gives out, ≤ 2e-7" if entry.own else UNAIDED
        yield (
            f"`{entry.package}`",
            entry.name,
            parts(entry.parts),
            oracle if entry.parts else "",
            entry.note,
        )


def shown(bound: float) -> str:
    """Return a bound as people write it."""
    return "0" if bound == 0 else f"≤ {bound:.0e}".replace("e-0", "e-")


def parts(layers: dict[str, int]) -> str:
    """Return the streams and how many layers each has."""
    return ", ".join(f"{name} ({count})" for name, count in layers.items()) or "none"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [tuple(head), *map(tuple, rows)]
    lines.insert(1, ("---",) * len(lines[0]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
