"""What may be set is the same for a trainer and for a plain loop."""

from typing import get_type_hints

import pytest
from torch import nn

from attn_monitor import AttentionMonitor, AttentionRecorder
from attn_monitor.monitor.options import MonitorOptions, RecordingOptions


def test_every_option_has_one_type_and_a_default():
    assert get_type_hints(RecordingOptions) == get_type_hints(MonitorOptions)
    MonitorOptions()


def test_every_option_is_described_where_a_user_looks():
    described = AttentionMonitor.__doc__ or ""
    assert [n for n in get_type_hints(RecordingOptions) if f"        {n}: " not in described] == []
    assert "attn_monitor.AttentionMonitor" in (AttentionRecorder.__doc__ or "")


def test_an_option_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'sentences'"):
        AttentionMonitor(sentences=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'every_n_steps'"):
        AttentionRecorder(nn.Identity(), [], log_dir=tmp_path, every_n_steps=3)
