"""The tab below a notebook's cell, without a server: what ``Run.show`` shows."""

from tb_plugin.notebook.show import show

__all__ = ["show"]
