"""Models of packages that this project does not depend on, tried as a new user would.

The packages are not installed by the development environment; each entry runs where its package
is found, and is skipped elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Own = Callable[[nn.Module, tuple[Tensor, ...]], list[Tensor]]


def image(size):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def words(length, low=3, high=20):
    return torch.randint(low, high, (2, length), generator=torch.Generator().manual_seed(0))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One model: how it is built and run, what is expected, what a user should know.

    Attributes:
        package: What is installed with pip.
        requires: Modules that must import.
        name: The model.
        build: Returns the model and its inputs.
        parts: Expected streams and how many layers each.
        windows: Largest number of windows per sentence.
        own: Returns the weights that the library itself gives out, in execution order.
        note: What a user should know.
    """

    package: str
    requires: tuple[str, ...]
    name: str
    build: Callable[[], tuple[nn.Module, tuple[Tensor, ...]]]
    parts: dict[str, int]
    windows: int = 1
    own: Own | None = None
    note: str = ""


def timm_vit():
    from timm.models import VisionTransformer

    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=4)
    return model, (image(32),)


def timm_unfused(model, inputs):
    """The weights of the same blocks with timm's own unfused attention."""
    seen = []
    for block in model.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda _m, _i, output: seen.append(output))
    model(*inputs)
    return seen


def timm_swin():
    from timm.models import SwinTransformer

    model = SwinTransformer(
        img_size=64, window_size=4, embed_dim=24, depths=(2, 2), num_heads=(2, 4)
    )
    return model, (image(64),)


def timm_cait():
    from timm.models import Cait

    return Cait(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=4), (image(32),)


def timm_xcit():
    from timm.models import Xcit

    return Xcit(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=4), (image(32),)


def timm_eva():
    from timm.models import Eva

    model = Eva(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=4, use_rot_pos_emb=True)
    return model, (image(32),)


def x_transformers_decoder(**options):
    def build():
        from x_transformers import Decoder, TransformerWrapper

        layers = Decoder(dim=32, depth=2, heads=4, attn_dim_head=8, **options)
        return TransformerWrapper(num_tokens=64, max_seq_len=32, attn_layers=layers), (words(9),)

    return build


def x_transformers_own(model, inputs):
    return list(model(*inputs, return_attn=True)[1])


def x_transformers_pair():
    from x_transformers import XTransformer

    sizes = {"num_tokens": 64, "depth": 2, "heads": 4, "max_seq_len": 32}
    both = {f"{side}_{key}": value for side in ("enc", "dec") for key, value in sizes.items()}
    return XTransformer(dim=32, **both), (words(9), words(6))


def vit_pytorch_vit():
    from vit_pytorch import ViT

    model = ViT(image_size=32, patch_size=8, num_classes=3, dim=32, depth=2, heads=4, mlp_dim=64)
    return model, (image(32),)


def vit_pytorch_own(model, inputs):
    from vit_pytorch.recorder import Recorder

    return list(Recorder(model)(*inputs)[1].unbind(1))


def vit_pytorch_deep():
    from vit_pytorch.deepvit import DeepViT

    model = DeepViT(
        image_size=32, patch_size=8, num_classes=3, dim=32, depth=2, heads=4, mlp_dim=64
    )
    return model, (image(32),)


def vit_pytorch_nested():
    from vit_pytorch.na_vit_nested_tensor import NaViT

    model = NaViT(image_size=32, patch_size=8, num_classes=3, dim=32, depth=2, heads=4, mlp_dim=64)
    return model, ([image(32)[0, :, :16], image(32)[1]],)


def open_clip_pair():
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(layers=2, width=64, head_width=16, image_size=32, patch_size=8)
    text = CLIPTextCfg(context_length=9, vocab_size=64, width=32, heads=4, layers=2)
    return CLIP(32, vision, text), (image(32), words(9))


def perceiver():
    from perceiver_pytorch import Perceiver

    model = Perceiver(
        input_channels=3,
        num_freq_bands=2,
        max_freq=4.0,
        depth=2,
        num_latents=6,
        latent_dim=32,
        latent_heads=4,
        cross_dim_head=8,
        latent_dim_head=8,
        num_classes=3,
    )
    return model, (image(8).permute(0, 2, 3, 1),)


def local_attention():
    from local_attention.transformer import LocalTransformer

    model = LocalTransformer(
        num_tokens=64,
        dim=32,
        depth=2,
        max_seq_len=16,
        local_attn_window_size=4,
        causal=True,
        heads=4,
        dim_head=8,
    )
    return model, (words(16),)


def local_attention_own(model, inputs):
    """What arrives where every token's value is a vector of its own: the weights themselves."""
    found = []

    def own(module, given, _output):
        query, key, value = given
        if value.shape[-1] != value.shape[-2]:
            ones = torch.eye(value.shape[-2]).expand(*value.shape[:2], -1, -1)
            found.append(module(query, key, ones))

    hooks = [b[0].branch.attn_fn.register_forward_hook(own) for b in model.layers]
    model(*inputs)
    for hook in hooks:
        hook.remove()
    return found


def linear_attention():
    from linear_attention_transformer import LinearAttentionTransformerLM

    model = LinearAttentionTransformerLM(num_tokens=64, dim=32, heads=4, depth=2, max_seq_len=16)
    return model, (words(16),)


def conformer():
    from conformer import Conformer

    return Conformer(dim=32, depth=2, dim_head=8, heads=4), (image(32)[:, 0, :9],)


def esm2():
    from esm.model.esm2 import ESM2

    return ESM2(num_layers=2, embed_dim=32, attention_heads=4), (words(9, 4),)


def esm2_own(model, inputs):
    return list(model(*inputs, need_head_weights=True)["attentions"].unbind(1))


def torchvision_vit():
    from torchvision.models.vision_transformer import VisionTransformer

    model = VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64
    )
    return model, (image(32),)


TIMM = {"package": "timm", "requires": ("timm",)}
X = {"package": "x-transformers", "requires": ("x_transformers",)}
VIT = {"package": "vit-pytorch", "requires": ("vit_pytorch",)}

THIRD_PARTY = (
    Entry(name="ViT", build=timm_vit, parts={"encoder": 3}, own=timm_unfused, **TIMM),
    Entry(
        name="Swin",
        build=timm_swin,
        parts={"layers.0.blocks": 2, "layers.1.blocks": 2},
        windows=16,
        note="windows are labelled; they are not sentences",
        **TIMM,
    ),
    Entry(
        name="CaiT",
        build=timm_cait,
        parts={"blocks": 2, "blocks_token_only": 2},
        note="talking heads: rows need not sum to 1",
        **TIMM,
    ),
    Entry(
        name="XCiT",
        build=timm_xcit,
        parts={"blocks": 2, "cls_attn_blocks": 2},
        note="`blocks` attend between channels: their rows and columns are not tokens",
        **TIMM,
    ),
    Entry(name="EVA", build=timm_eva, parts={"encoder": 2}, **TIMM),
    Entry(
        name="decoder",
        build=x_transformers_decoder(),
        parts={"decoder": 2},
        own=x_transformers_own,
        **X,
    ),
    Entry(
        name="decoder, fused",
        build=x_transformers_decoder(attn_flash=True),
        parts={"decoder": 2},
        **X,
    ),
    Entry(
        name="decoder, talking heads",
        build=x_transformers_decoder(attn_pre_talking_heads=True, attn_post_talking_heads=True),
        parts={"decoder": 2},
        note="talking heads: rows need not sum to 1",
        **X,
    ),
    Entry(
        name="encoder-decoder",
        build=x_transformers_pair,
        parts={"encoder": 2, "decoder": 2, "cross": 2},
        **X,
    ),
    Entry(name="ViT", build=vit_pytorch_vit, parts={"encoder": 2}, own=vit_pytorch_own, **VIT),
    Entry(
        name="DeepViT",
        build=vit_pytorch_deep,
        parts={"encoder": 2},
        note="re-attention: rows need not sum to 1",
        **VIT,
    ),
    Entry(
        name="NaViT, nested tensors",
        build=vit_pytorch_nested,
        parts={"encoder": 2, "cross": 1},
        **VIT,
    ),
    Entry(
        package="open_clip_torch",
        requires=("open_clip",),
        name="CLIP",
        build=open_clip_pair,
        parts={"visual.transformer.resblocks": 2, "transformer.resblocks": 2},
        note="two towers are two parts",
    ),
    Entry(
        package="perceiver-pytorch",
        requires=("perceiver_pytorch",),
        name="Perceiver",
        build=perceiver,
        parts={"decoder": 2, "cross": 2},
        note="the latents' self-attention is the asking side, so it is called decoder",
    ),
    Entry(
        package="local-attention",
        requires=("local_attention",),
        name="LocalTransformer",
        build=local_attention,
        parts={"decoder": 2},
        own=local_attention_own,
        note="computed in windows, shown as one map over all tokens",
    ),
    Entry(
        package="linear-attention-transformer",
        requires=("linear_attention_transformer",),
        name="LinearAttentionTransformerLM",
        build=linear_attention,
        parts={},
        note="no weights exist: keys and values are multiplied first; the message says so",
    ),
    Entry(
        package="conformer",
        requires=("conformer",),
        name="Conformer",
        build=conformer,
        parts={"encoder": 2},
    ),
    Entry(
        package="fair-esm",
        requires=("esm",),
        name="ESM-2",
        build=esm2,
        parts={"encoder": 2},
        own=esm2_own,
    ),
    Entry(
        package="torchvision",
        requires=("torchvision",),
        name="ViT",
        build=torchvision_vit,
        parts={"encoder": 2},
    ),
)
