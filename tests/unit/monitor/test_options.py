"""What may be set is the same for a trainer and for a plain loop."""

import pytest
from torch import nn

from attn_monitor import AttentionMonitor, AttentionRecorder


def test_an_option_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'sentences'"):
        AttentionMonitor(sentences=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'every_n_steps'"):
        AttentionRecorder(nn.Identity(), [], log_dir=tmp_path, every_n_steps=3)
