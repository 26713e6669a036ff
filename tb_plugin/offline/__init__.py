"""One HTML file of a run: the tab and every answer it will ask for, for opening from a disk."""

from tb_plugin.offline.choice import Choice
from tb_plugin.offline.export import Exported, export_run, run_name

__all__ = ["Choice", "Exported", "export_run", "run_name"]
