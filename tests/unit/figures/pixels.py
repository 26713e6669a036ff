"""Look at figures the way TensorBoard does: as pixels."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg


def pixels(figure):
    """Draw a figure; return its RGB pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def texts(figure):
    """Return every text of the figure, in the order it was written."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def images(figure):
    """Return every image of the figure, in the order it was drawn."""
    return [image for axes in figure.axes for image in axes.images]


def colour_at(figure, x, y):
    """Return the colour of one pixel."""
    return pixels(figure)[round(y), round(x)].tolist()
