"""A Matplotlib backend with windows that nobody sees."""

from matplotlib.backend_bases import FigureManagerBase, _Backend
from matplotlib.backends.backend_agg import FigureCanvasAgg


class Window(FigureManagerBase):
    shown = False

    def show(self):
        self.shown = True


class FigureCanvas(FigureCanvasAgg):
    manager_class = Window
    required_interactive_framework = None


@_Backend.export
class _BackendWindow(_Backend):
    FigureCanvas = FigureCanvas
    FigureManager = Window

    @staticmethod
    def mainloop():
        """Windows that nobody sees need none; its presence makes the backend interactive."""
