"""darts: its Temporal Fusion Transformer and its plain Transformer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from darts import TimeSeries
from darts.models import TFTModel, TransformerModel
from darts.models.components.tft_submodels import _InterpretableMultiHeadAttention
from watch import Watch

REQUIREMENTS = ("darts[torch]",)
PACKAGES = ("darts", "pytorch-lightning")
LINE = 'TFTModel(..., pl_trainer_kwargs={"callbacks": [AttentionMonitor()]})'


def _train(watch: Watch, kind: type, **options: object) -> None:
    values = np.sin(np.arange(90) / 3) + np.random.default_rng(0).normal(size=90) / 4
    days = pd.date_range("2020-01-01", periods=len(values), freq="D")
    series = TimeSeries.from_times_and_values(days, values.astype("float32"))
    model = kind(
        input_chunk_length=12,
        output_chunk_length=4,
        batch_size=16,
        n_epochs=3,
        random_state=3,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": watch.callbacks(pl),
        },
        **options,
    )
    model.fit(series[:70], val_series=series[50:])


def tft(watch: Watch) -> None:
    watch.listens = (
        _InterpretableMultiHeadAttention,
        lambda _m, _i, out: out[1].permute(0, 2, 1, 3),
    )
    _train(
        watch,
        TFTModel,
        hidden_size=8,
        num_attention_heads=2,
        hidden_continuous_size=4,
        add_relative_index=True,
    )


def transformer(watch: Watch) -> None:
    _train(watch, TransformerModel, d_model=16, nhead=2, dim_feedforward=16)


MODELS = {"TFTModel": tft, "TransformerModel": transformer}
