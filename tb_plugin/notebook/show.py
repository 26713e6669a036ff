"""What a cell is given: the widget, or without anywidget the page of ``attn-monitor export``."""

from __future__ import annotations

import html
import tempfile
from pathlib import Path

from attn_monitor.core.errors import ConfigurationError
from attn_monitor.store import Run
from tb_plugin.notebook.answers import Answers
from tb_plugin.offline import export_run, run_name

_LOWEST = 200
_PAGE_MB = 10.0  # it is kept in the notebook's file


class ShownPage:
    """A run as it is now, in a frame; the notebook's file keeps it."""

    def __init__(self, run: Run, *, name: str, height: int) -> None:
        self._height = height
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.html"
            export_run(run.location, path, name=name, max_mb=_PAGE_MB)
            self._page = path.read_text("ascii")

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="Attention" sandbox="allow-scripts allow-downloads" '
            f'style="width: 100%; height: {self._height}px; border: 0" '
            f'srcdoc="{html.escape(self._page)}"></iframe>'
        )


def show(run: Run, *, height: int = 800) -> object:
    """Return what shows a run below a cell; see :meth:`attn_monitor.store.Run.show`.

    Raises:
        ConfigurationError: A height that cannot work, or an installation without its front end.
    """
    if height < _LOWEST:
        raise ConfigurationError(f"height must be at least {_LOWEST} pixels, got {height}")
    name = run_name(run.location)
    try:
        from tb_plugin.notebook.widget import RunWidget  # noqa: PLC0415 - the extra [notebook]
    except ModuleNotFoundError as error:
        if error.name not in {"anywidget", "traitlets", "ipywidgets"}:
            raise
        return ShownPage(run, name=name, height=height)
    return RunWidget(Answers(run, name), height=height)
