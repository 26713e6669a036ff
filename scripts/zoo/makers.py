"""Each input that models ask for, made to the sizes that their configuration names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

SENTENCES, TOKENS, TARGETS = 2, 16, 7


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator())


def integers(low: int, high: int, *shape: int) -> Tensor:
    return torch.randint(low, high, shape, generator=generator())


class Sizes:
    """What a configuration says about its inputs, looked for in it and in its parts."""

    def __init__(self, config: Any) -> None:
        self.parts = [config]
        for part in self.parts:
            self.parts += [
                v for v in vars(part).values() if hasattr(v, "to_diff_dict") and v not in self.parts
            ]

    def get(self, *names: str, default: Any = None, within: str = "") -> Any:
        for name in names:
            for part in self.parts:
                kind = (type(part).__name__ + str(getattr(part, "model_type", ""))).lower()
                if within and not re.search(within, kind):
                    continue
                value = getattr(part, name, None)
                if value is not None and not callable(value):
                    return value
        return default

    def number(self, *names: str, default: int, within: str = "") -> int:
        value = self.get(*names, default=default, within=within)
        if isinstance(value, (list, tuple)):
            value = value[0] if value else default
        if isinstance(value, dict):
            value = next(iter(value.values()))
        return int(value)


def ids(sizes: Sizes, tokens: int = TOKENS) -> Tensor:
    most = min(sizes.number("vocab_size", "text_vocab_size", default=100), 190)
    return integers(3, max(5, most), SENTENCES, tokens)


def mask(side: str, tokens: int = TOKENS, padded: int = 5) -> Tensor:
    ones = torch.ones(SENTENCES, tokens, dtype=torch.long)
    if side == "right":
        ones[1, tokens - padded :] = 0
    elif side == "left":
        ones[1, :padded] = 0
    return ones


def image_shape(sizes: Sizes) -> tuple[int, int, int]:
    channels = sizes.number("num_channels", "in_channels", "in_chans", default=3)
    size = sizes.get("image_size", "img_size", "input_size", default=64)
    if isinstance(size, dict):
        size = [size.get("height", 64), size.get("width", 64)]
    if isinstance(size, (list, tuple)):
        size = [int(s) for s in size][-2:]
        return channels, size[0], size[-1]
    return channels, int(size), int(size)


def packed_images(sizes: Sizes, grids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return flattened patches and the grid of each image, as packed vision towers take them."""
    vision = "vis"
    patch = sizes.number("patch_size", "spatial_patch_size", default=14, within=vision)
    channels = sizes.number("in_channels", "in_chans", "num_channels", default=3, within=vision)
    frames = sizes.number("temporal_patch_size", default=1, within=vision)
    grid = torch.tensor(grids)
    rows = int(grid.prod(-1).sum())
    return noise(rows, channels * frames * patch * patch), grid


def makers(model: nn.Module, sizes: Sizes, side: str) -> dict[str, Callable[[], Any]]:
    """Return how each input that models ask for is made."""
    channels, height, width = image_shape(sizes)
    frames = sizes.number("num_frames", "num_max_frames", "frames_per_clip", default=2)
    hidden = sizes.number("hidden_size", "d_model", "embed_dim", "dim", default=32)
    mel = sizes.number(
        "num_mel_bins",
        "n_mels",
        "mel_dim",
        "input_dim",
        "feature_size",
        "n_mel",
        "input_feat_per_channel",
        "num_mel_bins",
        default=80,
    )
    long = sizes.number("max_source_positions", default=0)
    sound = 2 * long if 0 < long <= 4096 else 64
    text = ids(sizes)
    series = sizes.number("context_length", "seq_length", default=16)
    lags = sizes.get("lags_sequence", default=None)
    history = series + (max(lags) if lags else 0)
    ahead = sizes.number("prediction_length", "horizon_length", default=4)
    series_channels = sizes.number("num_input_channels", "input_size", default=1)
    flat = series_channels == 1 and sizes.get("num_input_channels") is None
    values = (SENTENCES, history) if flat else (SENTENCES, history, series_channels)

    def pixels() -> Tensor:
        name = type(model).__name__ + type(model.config).__name__
        if re.search(r"Video|Timesformer|Vivit|VJEPA|XCLIP", name):
            return noise(SENTENCES, frames, channels, height, width)
        return noise(SENTENCES, channels, height, width)

    return {
        "input_ids": lambda: text,
        "attention_mask": lambda: mask(side, text.shape[1]),
        "decoder_input_ids": lambda: ids(sizes, TARGETS),
        "bbox": lambda: integers(0, 50, SENTENCES, TOKENS, 4).sort(-1)[0],
        "pixel_values": pixels,
        "flattened_patches": lambda: torch.cat(
            [
                integers(1, 4, SENTENCES, 20, 2).float(),
                noise(
                    SENTENCES,
                    20,
                    sizes.number("patch_embed_hidden_size", default=768, within="vis"),
                ),
            ],
            -1,
        ),
        "pixel_values_videos": lambda: noise(SENTENCES, frames, channels, height, width),
        "pixel_mask": lambda: torch.ones(SENTENCES, height, width, dtype=torch.long),
        "image": lambda: noise(SENTENCES, channels, height, width),
        "sample": lambda: noise(SENTENCES, channels, height, width),
        "prompt_pixel_values": lambda: noise(SENTENCES, channels, height, width),
        "prompt_masks": lambda: noise(SENTENCES, channels, height, width),
        "images": lambda: noise(SENTENCES, channels, height, width),
        "input_features": lambda: noise(SENTENCES, mel, sound),
        "input_values": lambda: noise(SENTENCES, 8000),
        "audio_values": lambda: noise(SENTENCES, sizes.number("audio_channels", default=1), 8000),
        "spectrogram": lambda: noise(SENTENCES, 40, mel),
        "past_values": lambda: noise(*values),
        "past_time_features": lambda: noise(
            SENTENCES, history, sizes.number("num_time_features", default=1)
        ),
        "future_time_features": lambda: noise(
            SENTENCES, ahead, sizes.number("num_time_features", default=1)
        ),
        "past_observed_mask": lambda: torch.ones(*values),
        "future_values": lambda: noise(SENTENCES, ahead, *values[2:]),
        "inputs_embeds": lambda: noise(SENTENCES, TOKENS, hidden),
        "hidden_states": lambda: noise(SENTENCES, TOKENS, hidden),
        "encoder_hidden_states": lambda: noise(
            SENTENCES,
            9,
            sizes.number(
                "encoder_hidden_size", "cross_attention_hidden_size", "hidden_size", default=hidden
            ),
        ),
        "encoder_outputs": lambda: (noise(SENTENCES, 9, hidden),),
        "query_embeds": lambda: noise(SENTENCES, 6, hidden),
        "latent": lambda: noise(SENTENCES, TOKENS, hidden),
        "position_ids": lambda: torch.arange(TOKENS).expand(SENTENCES, -1),
        "token_type_ids": lambda: torch.zeros(SENTENCES, TOKENS, dtype=torch.long),
        "audio_codes": lambda: integers(
            0,
            40,
            SENTENCES,
            sizes.number("num_codebooks", "n_codebooks", "num_quantizers", default=4),
            12,
        ),
        "codes": lambda: integers(0, 40, SENTENCES, 12),
        "padding_mask": lambda: torch.ones(SENTENCES, 8000, dtype=torch.bool),
        "pixel_position_ids": lambda: _grid_positions(SENTENCES, 4),
        "spatial_shapes": lambda: torch.tensor([[4, 4]] * SENTENCES),
        "pixel_attention_mask": lambda: torch.ones(SENTENCES, 16, dtype=torch.long),
        "task_inputs": lambda: ids(sizes, sizes.number("task_seq_len", default=6)),
        "prompt_depth": lambda: noise(SENTENCES, 1, height, width),
        "user_features": lambda: noise(SENTENCES, TOKENS, hidden),
        "bool_masked_pos": lambda: torch.zeros(SENTENCES, 16, dtype=torch.bool),
        "states": lambda: noise(SENTENCES, 5, sizes.number("state_dim", default=17)),
        "actions": lambda: noise(SENTENCES, 5, sizes.number("act_dim", default=4)),
        "rewards": lambda: noise(SENTENCES, 5, 1),
        "returns_to_go": lambda: noise(SENTENCES, 5, 1),
        "timesteps": lambda: torch.arange(5).expand(SENTENCES, -1),
        "grid_thw": lambda: torch.tensor([[1, 4, 4], [1, 4, 6]]),
        "image_grid_thw": lambda: torch.tensor([[1, 4, 4], [1, 4, 6]]),
        "visual_feats": lambda: noise(SENTENCES, 6, sizes.number("visual_feat_dim", default=32)),
        "visual_pos": lambda: noise(SENTENCES, 6, 4).abs(),
        "conditional_pixel_values": lambda: noise(SENTENCES, channels, height, width),
        "batch_size": lambda: SENTENCES,
        "input_image": lambda: noise(SENTENCES, channels, height, width),
        "audio_input_features": lambda: noise(SENTENCES, mel, sound),
        "speaker_embeddings": lambda: noise(SENTENCES, 512),
        "padding_type": lambda: None,
        "backbone_features": lambda: noise(SENTENCES, 20, hidden),
        "is_longer": lambda: torch.zeros(SENTENCES, 1, dtype=torch.bool),
        "freq": lambda: torch.zeros(SENTENCES, dtype=torch.long),
        "past_values_padding": lambda: torch.zeros(SENTENCES, history, dtype=torch.long),
        "inputs": lambda: noise(SENTENCES, TOKENS, hidden),
        "image_embeddings": lambda: noise(SENTENCES, hidden, 4, 4),
        "input_features_mask": lambda: mask("right", sound, 8),
        "feature_attention_mask": lambda: mask("right", sound, 8),
        "feature_lens": lambda: torch.tensor([sound, sound - 8]),
        "aftercnn_lens": lambda: torch.tensor([sound // 2, sound // 2 - 4]),
        "qformer_input_ids": lambda: ids(sizes, 6),
        "qformer_attention_mask": lambda: torch.ones(SENTENCES, 6, dtype=torch.long),
        "context": lambda: noise(SENTENCES, TOKENS, hidden),
        "mask": lambda: torch.ones(SENTENCES, TOKENS, dtype=torch.bool),
        "audio_mel": lambda: noise(SENTENCES, sound, mel),
        "audio_mel_mask": lambda: mask("right", sound, 8) == 0,
        "merge_sizes": lambda: torch.tensor([2, 2]),
        "aspect_ratio_ids": lambda: torch.ones(SENTENCES, 1, dtype=torch.long),
        "aspect_ratio_mask": lambda: torch.ones(SENTENCES, 1, 4, dtype=torch.long),
        "text_features": lambda: noise(SENTENCES, TOKENS, hidden),
        "vision_features": lambda: noise(SENTENCES, 16, hidden),
        "vision_pos_encoding": lambda: noise(SENTENCES, 16, hidden),
        "decoder_queries": lambda: noise(SENTENCES, 6, hidden),
        "action_embeds": lambda: noise(SENTENCES, 5, hidden),
        "state": lambda: noise(SENTENCES, sizes.number("max_state_dim", default=32)),
        "condition_vector": lambda: noise(SENTENCES, TOKENS, mel),
        "speaker_embedding": lambda: noise(
            SENTENCES, TOKENS, sizes.number("enc_emb_dim", default=hidden)
        ),
        "quantized_code": lambda: integers(0, 100, SENTENCES, TOKENS // 2),
        "time_step": lambda: torch.tensor(0.5),
        "image_sizes": lambda: torch.tensor([[height, width]] * SENTENCES),
    }


def _grid_positions(count: int, side: int) -> Tensor:
    rows = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1)
    return rows.reshape(1, -1, 2).expand(count, -1, -1)
