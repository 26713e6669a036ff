"""``Wrapper(module)(x, viz=True)``: the multi-planar graph of CS559, of any module."""

from attn_monitor.wrapper.module import DrawOptions, Wrapper

__all__ = ["DrawOptions", "Wrapper"]
