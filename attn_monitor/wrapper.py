"""``Wrapper(module)(x, viz=True)``: the multi-planar graph of CS559, of any module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from attn_monitor.capture import AttentionCapture, capture, describe_missing
from attn_monitor.core.errors import NothingCapturedError, TokenLengthError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Wrapper(nn.Module):
    """Wrap a Transformer, or any module that holds attention, and draw it on demand.

    Without ``viz=True`` the module runs exactly as before: same output, nothing installed. With
    it the same forward pass is captured and drawn as planes in space, one per layer (CS559).

    Attributes:
        module: The wrapped module.
        last: What the last ``viz=True`` pass captured: weights, queries, keys and values.
        figure: The picture drawn from it.

    Example:
        >>> import torch
        >>> wrapper = Wrapper(nn.Transformer(16, 2, 2, 2, batch_first=True))
        >>> out = wrapper(torch.rand(1, 5, 16), torch.rand(1, 4, 16), viz=True, show=False)
        >>> wrapper.last.parts
        ('encoder', 'decoder', 'cross')
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.last: AttentionCapture | None = None
        self.figure: Figure | None = None

    def forward(
        self,
        *args: object,
        viz: bool = False,
        part: str | None = None,
        sentence: int = 0,
        head: int | None = None,
        tokens: Sequence[str] | None = None,
        show: bool = True,
        **kwargs: object,
    ) -> object:
        """Run the module; with ``viz`` also capture and draw its attention.

        Args:
            *args: What the module takes.
            viz: Capture this pass into :attr:`last` and draw it into :attr:`figure`.
            part: The stream to draw, ``"encoder"`` or ``"decoder"``; the first one by default.
            sentence: Which sentence of the batch to draw.
            head: Which head to draw, counted from 0; their mean by default.
            tokens: The sentence's words; positions by default.
            show: Open or display the figure where there is a screen or a notebook.
            **kwargs: What the module takes.

        Raises:
            NothingCapturedError: The module ran without any attention that could be seen.
            TokenLengthError: Not one token per position.
        """
        if not viz:
            return self.module(*args, **kwargs)
        with capture(self.module) as attention:
            output = self.module(*args, **kwargs)
        if not attention.records:
            raise NothingCapturedError(describe_missing(self.module))
        self.last = attention
        self.figure = _draw(attention, part=part, sentence=sentence, head=head, tokens=tokens)
        if show:
            _show(self.figure)
        return output


def _draw(
    attention: AttentionCapture,
    *,
    part: str | None,
    sentence: int,
    head: int | None,
    tokens: Sequence[str] | None,
) -> Figure:
    # Imported here: a wrapped module that is never drawn needs no Matplotlib.
    import numpy as np  # noqa: PLC0415

    from attn_monitor.figures.planes import plane_graph  # noqa: PLC0415

    squares = [p.name for p in attention.arrangement if p.kind == "self"]
    name = part if part is not None else (squares or list(attention.parts))[0]
    stream = attention[name]
    layers = [stream.weights(i)[sentence].detach().cpu() for i in range(len(stream.layers))]
    chosen = [maps.mean(0) if head is None else maps[head] for maps in layers]
    length = chosen[0].shape[-1]
    words = [str(i + 1) for i in range(length)] if tokens is None else list(tokens)
    if len(words) != length:
        raise TokenLengthError(
            f"got {len(words)} tokens for {length} positions of part {name!r}; give one each"
        )
    what = "mean over heads" if head is None else f"head {head + 1}"
    planes = np.stack([maps.numpy() for maps in chosen])
    return plane_graph(planes, tokens=words, title=f"{name}, {what}")


def _show(figure: Figure) -> None:
    """Hand a figure to pyplot, which knows windows, notebooks and machines without a screen."""
    from matplotlib import pyplot  # noqa: PLC0415

    manager = pyplot.figure(figsize=figure.get_size_inches()).canvas.manager
    if manager is None:
        return
    manager.canvas.figure = figure
    figure.set_canvas(manager.canvas)
    if pyplot.isinteractive() or pyplot.get_backend().lower() != "agg":
        pyplot.show(block=False)
