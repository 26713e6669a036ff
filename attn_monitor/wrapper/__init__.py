"""``Wrapper(module)(x, viz=True)``: the multi-planar graph of CS559, of any module."""

from attn_monitor.wrapper.module import Wrapper

__all__ = ["Wrapper"]
