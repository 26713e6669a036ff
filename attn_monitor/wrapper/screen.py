"""Bring a figure before the user: a window, a notebook's output, or nowhere on a server."""

from __future__ import annotations

import importlib.util
import io
import sys

import matplotlib
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.figure import Figure

_IN_CELLS = ("inline", "ipympl", "widget", "nbagg", "notebook")  # backends that draw below a cell


def empty_figure() -> Figure:
    """Return an empty figure, one with a window where Matplotlib can open windows."""
    if _in_notebook() or not _opens_windows():
        # Unknown to pyplot, so that a training loop on a server does not pile them up.
        return Figure()
    from matplotlib import pyplot  # noqa: PLC0415  # chooses a backend when it is imported

    return pyplot.figure()


def put_on_screen(figure: Figure) -> None:
    """Show a figure of :func:`empty_figure`; it can be turned where the place allows it."""
    if _in_notebook():
        _into_notebook(figure)
    elif _opens_windows():
        from matplotlib import pyplot  # noqa: PLC0415

        pyplot.show(block=False)


def _opens_windows() -> bool:
    backend = str(matplotlib.get_backend()).lower()
    files = backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)
    return not (backend in files or any(name in backend for name in _IN_CELLS))


def _in_notebook() -> bool:
    """Return whether pictures go below the cell: a kernel that did not ask for windows."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel") and not _opens_windows()


def _into_notebook(figure: Figure) -> None:
    from IPython.display import Image, display  # noqa: PLC0415  # only there in a notebook

    if importlib.util.find_spec("ipympl") is None:
        png = io.BytesIO()
        figure.savefig(png, format="png")
        display(Image(data=png.getvalue()))
        return
    from ipympl.backend_nbagg import Canvas, FigureManager  # noqa: PLC0415

    canvas = Canvas(figure)
    FigureManager(canvas, 0)  # the toolbar: home, pan, zoom, save
    display(canvas)
