"""neuralforecast: every forecaster of its with attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from neuralforecast import NeuralForecast
from neuralforecast.common._modules import FullAttention
from neuralforecast.models import TFT, Informer, PatchTST, TimeXer, VanillaTransformer, iTransformer
from neuralforecast.models.patchtst import _MultiheadAttention
from neuralforecast.models.tft import InterpretableMultiHeadAttention
from torch import Tensor, nn
from watch import Watch

REQUIREMENTS = ("neuralforecast",)
PACKAGES = ("neuralforecast", "pytorch-lightning")
LINE = "TFT(h=12, input_size=24, callbacks=[AttentionMonitor()])"
HORIZON = 4


def _frame(series: int = 4, steps: int = 80) -> pd.DataFrame:
    noise = np.random.default_rng(0).normal(size=(series, steps)) / 4
    values = np.sin(np.arange(steps) / 3 + np.arange(series)[:, None]) + noise
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"shop {i}" for i in range(series)], steps),
            "ds": np.tile(pd.date_range("2020-01-01", periods=steps, freq="D"), series),
            "y": values.reshape(-1).astype("float32"),
        }
    )


def _train(watch: Watch, kind: type, **options: object) -> None:
    model = kind(
        h=HORIZON,
        input_size=12,
        max_steps=20,
        val_check_steps=10,
        batch_size=4,
        windows_batch_size=16,
        random_seed=3,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=watch.callbacks(pl),
        **options,
    )
    NeuralForecast(models=[model], freq="D").fit(_frame(), val_size=2 * HORIZON)


def _softmax(_module: nn.Module, inputs: tuple[Any, ...], _output: object) -> Tensor:
    """What full attention comes to: it is called with ``[row, token, head, d_head]``."""
    query, key, *_ = inputs
    scores = torch.einsum("rqhd,rkhd->rhqk", query.double(), key.double())
    weights: Tensor = (scores / query.shape[-1] ** 0.5).softmax(-1)
    return weights


def tft(watch: Watch) -> None:
    watch.listens = InterpretableMultiHeadAttention, lambda _m, _i, out: out[1]
    _train(watch, TFT, hidden_size=8, n_head=2)


def patch_tst(watch: Watch) -> None:
    watch.listens = _MultiheadAttention, lambda _m, _i, out: out[1]
    _train(watch, PatchTST, hidden_size=16, n_heads=2, encoder_layers=2, patch_len=4, stride=2)


def informer(watch: Watch) -> None:
    _train(watch, Informer, hidden_size=16, n_head=2, conv_hidden_size=16)


def vanilla(watch: Watch) -> None:
    _train(watch, VanillaTransformer, hidden_size=16, n_head=2, conv_hidden_size=16)


def i_transformer(watch: Watch) -> None:
    watch.listens = FullAttention, _softmax
    _train(watch, iTransformer, n_series=4, hidden_size=16, n_heads=2, e_layers=2, d_ff=16)


def time_xer(watch: Watch) -> None:
    watch.listens = FullAttention, _softmax
    _train(watch, TimeXer, n_series=4, hidden_size=16, n_heads=2, e_layers=2, d_ff=16, patch_len=4)


MODELS = {
    "TFT": tft,
    "PatchTST": patch_tst,
    "Informer": informer,
    "VanillaTransformer": vanilla,
    "iTransformer": i_transformer,
    "TimeXer": time_xer,
}
