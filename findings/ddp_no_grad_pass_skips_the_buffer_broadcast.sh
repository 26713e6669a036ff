#!/usr/bin/env bash
# DistributedDataParallel brings the buffers of all processes in line (those of the first one) at the start of a forward
# pass, if the pass before it had gradients. So the second of two passes under `no_grad` runs with each process's own
# buffers, whatever happened to them in between: a probe, a sanity check or a first validation batch takes the broadcast
# away from the next, also from a training step. One would guess that it is done at every pass, or at
# every one with gradients.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/two.py" <<'PY'
import os
import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def main(rank, folder, out):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    norm = nn.BatchNorm1d(1)
    model = DistributedDataParallel(norm)
    seen = []
    for gradients in (True, False, False, True, True):
        norm.eval()
        norm.running_mean.fill_(float(rank))  # as if each had counted its own batches
        with torch.set_grad_enabled(gradients):
            model(torch.zeros(2, 1))
        seen.append((gradients, norm.running_mean.item()))
    if rank == 1:
        out.put(seen)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    import torch.multiprocessing as mp

    print("torch", torch.__version__)
    context = mp.get_context("spawn")
    out = context.SimpleQueue()
    mp.spawn(main, args=(sys.argv[1], out), nprocs=2, join=True)
    seen = out.get()
    for gradients, mean in seen:
        kind = "with gradients" if gradients else "no_grad"
        whose = "of the first process" if mean == 0 else "its own"
        print(f"second process, {kind}: ran with the buffers {whose}")
    assert [mean for _, mean in seen] == [0.0, 0.0, 1.0, 1.0, 0.0]
PY
cd "$folder" && "$folder/env/bin/python" two.py "$folder"
