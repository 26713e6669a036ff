"""What the study measures beside the monitor: further candidates for a signal, per probe."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import lightning as L
import numpy as np
import torch
from overfitting_tasks import loss_per_sentence

from attn_monitor import capture
from attn_monitor.analysis.topology.loops import loop_bars
from attn_monitor.analysis.topology.units import unit_graph

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import TensorDataset

RARE = 2  # words that occur at most this often in the run's training set
UNITS = 32


class Extras(L.Callback):
    """At every validation, on the monitor's own probes (drawn in the same way).

    Kept per step: loss of each probe, attention that each gives to words rare in the training set,
    top singular value of W_Q^T W_K per head, and the graph of correlated units on either set.
    """

    def __init__(
        self,
        train: TensorDataset,
        val: TensorDataset,
        noisy: np.ndarray,
        *,
        probes: int,
        seed: int,
    ) -> None:
        chosen = {
            name: np.random.default_rng(seed).permutation(len(data))[:probes]
            for name, data in (("val", val), ("train", train))
        }
        self.batches = {
            name: tuple(x[torch.from_numpy(chosen[name])] for x in data.tensors)
            for name, data in (("val", val), ("train", train))
        }
        self.noisy = noisy[chosen["train"]]
        counts = Counter(train.tensors[0].flatten().tolist())
        self.rare = {
            name: torch.tensor([[counts[i] <= RARE for i in row] for row in batch[0].tolist()])
            for name, batch in self.batches.items()
        }
        self.kept: dict[str, list[np.ndarray]] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        was_training = pl_module.training
        pl_module.eval()
        self._measure(pl_module)
        pl_module.train(was_training)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._measure(pl_module)

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: np.stack(values) for name, values in self.kept.items()}

    @torch.no_grad()
    def _measure(self, model: L.LightningModule) -> None:
        for name, batch in self.batches.items():
            with capture(model) as attention:
                scores = model(batch)
            loss = loss_per_sentence(scores, batch[0], batch[1])
            self._keep(f"loss/{name}", loss)
            maps = torch.stack([record.weights() for record in attention.records], dim=1)
            valid = (batch[0] != 0).float()
            rare = (self.rare[name] & (batch[0] != 0)).float()
            given = torch.einsum("slhqk,sk->slhq", maps, rare)
            asked = torch.einsum("slhq,sq->slh", given, valid) / valid.sum(1)[:, None, None]
            self._keep(f"rare/{name}", asked)
            self._keep(f"rare_share/{name}", rare.sum(1) / valid.sum(1))
            hidden = attention.outputs.last_hidden[..., :UNITS][batch[0] != 0]
            self._keep(f"units/{name}", torch.tensor(_unit_numbers(hidden)))
        self._keep("qk_norm", torch.stack([_qk_norm(r) for r in _layers(model)]))

    def _keep(self, name: str, values: Tensor) -> None:
        self.kept.setdefault(name, []).append(values.float().numpy())


def _unit_numbers(hidden: Tensor) -> tuple[float, float, float, float]:
    """Mean |correlation|, and count, life and midlife of loops of the graph of units."""
    graph = unit_graph(hidden.double().numpy())
    bars = loop_bars(graph)
    off = graph[np.triu_indices(len(graph), 1)]
    if not len(bars.intervals):
        return float(off.mean()), 0.0, 0.0, float("nan")
    born, dead = bars.intervals.T
    return (
        float(off.mean()),
        len(born),
        float((dead - born).mean()),
        float((born + dead).mean() / 2),
    )


def _layers(model: L.LightningModule) -> list[tuple[Tensor, Tensor, int]]:
    """W_Q, W_K and number of heads of every layer."""
    found = []
    for module in model.modules():
        if isinstance(module, torch.nn.MultiheadAttention):
            query, key, _ = module.in_proj_weight.chunk(3)
            found.append((query, key, module.num_heads))
        elif hasattr(module, "query") and hasattr(module, "key"):
            found.append((module.query.weight, module.key.weight, module.num_attention_heads))
    return found


def _qk_norm(layer: tuple[Tensor, Tensor, int]) -> Tensor:
    query, key, heads = layer
    pairs = zip(query.chunk(heads), key.chunk(heads), strict=True)
    # The product has the singular values of a small matrix: Q^T K = V_q S_q U_q^T U_k S_k V_k^T.
    return torch.stack([torch.linalg.matrix_norm(q.T @ k, 2) for q, k in pairs])
