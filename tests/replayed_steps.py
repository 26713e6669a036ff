"""A step that a module takes on what it holds, replayed as the monitor does it."""

from __future__ import annotations

from torch import nn

from attn_monitor.monitor.guard import Guard


def replay(held, step):
    """Run a step on what a module holds, in a replay; return the module's guard."""
    module = nn.Linear(1, 1)
    module.held, module.step = held, step
    guard = Guard(module)
    with guard.untouched():
        module.step(module.held)
    assert module.held is held
    return guard
