"""``AttentionCallback`` where two processes train one model, as ``torchrun`` starts them."""

import os

import pytest
import torch
from torch import multiprocessing

from attn_monitor import AttentionCallback, open_run
from tests.e2e.conftest import free_port
from tests.tiny_trainer import FEW, trainer

pytestmark = pytest.mark.long

OPTIONS = {
    "gradient_accumulation_steps": 2,
    "save_strategy": "epoch",
    "load_best_model_at_end": True,
}


def one_rank(rank, port, root):
    """Train with and without the callback, resumed too, and keep what came of it."""
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
    }
    found = {}
    for watched in (False, True):
        folder = root / str(watched)
        callback = AttentionCallback(**FEW)
        callbacks = (callback,) if watched else ()
        trainer(folder, *callbacks, **OPTIONS, num_train_epochs=1).train()
        again = trainer(folder, *callbacks, **OPTIONS)
        again.train(resume_from_checkpoint=str(folder / "checkpoint-1"))
        assert again.args.parallel_mode.value == "distributed"
        found[watched] = {
            "losses": [
                (row["step"], name, row[name])
                for row in again.state.log_history
                for name in ("loss", "eval_loss", "grad_norm")
                if name in row
            ],
            "weights": again.model.state_dict(),
            "next": torch.rand(3),
            "run_dir": callback.run_dir,
            "errors": callback.failures.count,
        }
    torch.save(found, root / f"rank{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """Return what each of two processes found."""
    root = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(one_rank, args=(free_port(), root), nprocs=2)
    return [torch.load(root / f"rank{rank}.pt") for rank in (0, 1)]


def test_two_ranks_train_the_same_bit_for_bit_resumed_too(ranks):
    for rank in ranks:
        plain, watched = rank[False], rank[True]
        assert [step for step, name, _ in plain["losses"] if name == "eval_loss"] == [1, 2]
        assert plain["losses"] == watched["losses"]
        assert torch.equal(plain["next"], watched["next"])
        for name, value in plain["weights"].items():
            assert torch.equal(value, watched["weights"][name]), name


def test_of_two_ranks_the_first_one_records(ranks):
    first, second = (rank[True] for rank in ranks)
    assert second["run_dir"] is None
    assert [first["errors"], second["errors"]] == [0, 0]
    run = open_run(first["run_dir"])
    assert list(run.steps) == [0, 1, 2]
    losses = {step: value for step, name, value in first["losses"] if name == "eval_loss"}
    assert run.scalars(2)["eval_loss"] == losses[2]
