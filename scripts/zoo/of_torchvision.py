"""torchvision: its Vision Transformers, small."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from entry import Entry, drawn
from torch import nn
from torchvision.models import MaxVit, SwinTransformer, VisionTransformer
from torchvision.models.swin_transformer import SwinTransformerBlockV2
from torchvision.models.video import MViT, SwinTransformer3d
from torchvision.models.video.mvit import MSBlockConfig

TITLE = "torchvision"


def version() -> str:
    """Return the library's version."""
    return str(torchvision.__version__)


def _vit() -> nn.Module:
    return VisionTransformer(64, 16, 2, 4, 32, 64, num_classes=5)


def _swin(block: type[nn.Module] | None = None, window: int = 7) -> nn.Module:
    sizes: dict[str, object] = {} if block is None else {"block": block}
    return SwinTransformer([4, 4], 32, [2, 2], [2, 4], [window, window], num_classes=5, **sizes)


def _swin3d() -> nn.Module:
    return SwinTransformer3d([2, 4, 4], 32, [2, 2], [2, 4], [4, 4, 4], num_classes=5)


def _maxvit() -> nn.Module:
    return MaxVit((64, 64), 16, 4, [16, 32], [1, 1], 8, 0.0, num_classes=5)


def _mvit(*, relative: bool, residual: bool) -> nn.Module:
    blocks = [
        MSBlockConfig(1, 16, 16, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 4, 4]),
        MSBlockConfig(2, 16, 32, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 2, 2]),
        MSBlockConfig(2, 32, 32, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2]),
    ]
    return MViT(
        spatial_size=(32, 32),
        temporal_size=4,
        block_setting=blocks,
        residual_pool=residual,
        residual_with_cls_embed=False,
        rel_pos_embed=relative,
        proj_after_attn=relative,
        num_classes=5,
    )


def _raft() -> nn.Module:
    return torchvision.models.optical_flow.raft_small()


_IMAGES, _VIDEO = (2, 3, 64, 64), (2, 3, 4, 32, 32)
_MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "ViT": (_vit, _IMAGES),
    "Swin": (_swin, _IMAGES),
    "Swin, windows of 4": (lambda: _swin(window=4), _IMAGES),
    "Swin V2": (lambda: _swin(SwinTransformerBlockV2), _IMAGES),
    "Swin 3D": (_swin3d, _VIDEO),
    "MaxViT": (_maxvit, _IMAGES),
    "MViT": (lambda: _mvit(relative=False, residual=False), _VIDEO),
    "MViT V2": (lambda: _mvit(relative=True, residual=True), _VIDEO),
    "RAFT": (_raft, (2, 3, 128, 128)),
}


def names() -> list[str]:
    """Return the models that are tried."""
    return list(_MODELS)


def built(name: str) -> Entry:
    """Return a model with images or a film."""
    make, shape = _MODELS[name]
    torch.manual_seed(1)
    given = (torch.randn(shape),) * (2 if name == "RAFT" else 1)
    return Entry(drawn(make()), given)
