"""pytorch_tabular: the models whose columns attend to each other, and GATE's features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from pytorch_tabular import TabularModel
from pytorch_tabular.config import DataConfig, OptimizerConfig, TrainerConfig
from pytorch_tabular.models import (
    AutoIntConfig,
    FTTransformerConfig,
    GatedAdditiveTreeEnsembleConfig,
    TabTransformerConfig,
)
from pytorch_tabular.models.common.layers.transformers import MultiHeadedAttention
from watch import Watch

REQUIREMENTS = ("pytorch_tabular",)
PACKAGES = ("pytorch-tabular", "pytorch-lightning")
LINE = "tabular_model.fit(train, validation, callbacks=[AttentionMonitor()])"
HEAD = {"layers": "8", "activation": "ReLU"}


def _rows(count: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.normal(size=(count, 3)), columns=["age", "income", "rooms"])
    frame["city"] = draw.choice(["Basel", "Bonn", "Linz"], count)
    frame["owner"] = draw.choice(["yes", "no"], count)
    frame["sold"] = ((frame.age * frame.income > 0) ^ (frame.owner == "yes")).astype(int)
    return frame


def _train(watch: Watch, config: object) -> None:
    model = TabularModel(
        data_config=DataConfig(
            target=["sold"],
            continuous_cols=["age", "income", "rooms"],
            categorical_cols=["city", "owner"],
        ),
        model_config=config,
        optimizer_config=OptimizerConfig(),
        trainer_config=TrainerConfig(
            batch_size=32,
            max_epochs=3,
            accelerator="cpu",
            progress_bar="none",
            trainer_kwargs={"enable_model_summary": False},
            load_best=False,
        ),
        verbose=False,
    )
    model.fit(_rows(160, 0), _rows(64, 1), callbacks=watch.callbacks(pl), seed=7)


def ft_transformer(watch: Watch) -> None:
    watch.listens = MultiHeadedAttention, lambda module, _i, _o: module.attn_weights
    blocks = {"num_heads": 2, "num_attn_blocks": 2, "input_embed_dim": 16}
    _train(watch, FTTransformerConfig(task="classification", head_config=HEAD, **blocks))


def tab_transformer(watch: Watch) -> None:
    blocks = {"num_heads": 2, "num_attn_blocks": 2, "input_embed_dim": 16}
    _train(watch, TabTransformerConfig(task="classification", head_config=HEAD, **blocks))


def gate(watch: Watch) -> None:
    _train(
        watch,
        GatedAdditiveTreeEnsembleConfig(
            task="classification", head_config=HEAD, num_trees=4, tree_depth=3, gflu_stages=2
        ),
    )


def auto_int(watch: Watch) -> None:
    _train(
        watch,
        AutoIntConfig(task="classification", head_config=HEAD, num_heads=2, num_attn_blocks=2),
    )


MODELS = {
    "FT-Transformer": ft_transformer,
    "TabTransformer": tab_transformer,
    "GATE": gate,
    "AutoInt": auto_int,
}
