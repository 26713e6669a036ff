"""The module around a module, whose forward pass can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from torch import nn

from attn_monitor.capture import AttentionCapture, capture, describe_missing
from attn_monitor.core.errors import NothingCapturedError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attn_monitor.figures.planes import Colour, Head, Length, Norm


class DrawOptions(TypedDict, total=False):
    """The options of :meth:`Wrapper.draw`, which describes each of them."""

    part: str | None
    sentence: int
    tokens: Sequence[str] | None
    target_tokens: Sequence[str] | None
    classes: Sequence[str] | None
    head: Head
    norm: Norm
    colour: Colour
    length: Length
    per_token: float
    top: int
    above: float
    mass: float
    against: AttentionCapture
    special: bool
    show: bool


class Wrapper(nn.Module):
    """Wrap a Transformer, or any module that holds attention, and draw it on demand.

    Without ``viz`` the module runs exactly as before: same output, nothing installed. With it the
    same forward pass is captured and drawn as planes in space, one per layer (CS559), in training
    and in evaluation mode. The picture opens in a window, or in the notebook (turning it there
    needs ``ipympl``); a script keeps its windows with ``matplotlib.pyplot.show()`` at its end.

    Attributes:
        module: The wrapped module; its attributes are the wrapper's too.
        last: What the last pass with ``viz`` captured: weights, queries, keys and values.
        figure: The last picture.

    Example:
        >>> import torch
        >>> wrapper = Wrapper(nn.Transformer(16, 2, 2, 2, batch_first=True))
        >>> out = wrapper(torch.rand(1, 5, 16), torch.rand(1, 4, 16), viz={"show": False})
        >>> wrapper.last.parts
        ('encoder', 'decoder', 'cross')
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = module.training
        self.last: AttentionCapture | None = None
        self.figure: Figure | None = None

    def forward(self, *args: object, viz: bool | DrawOptions = False, **kwargs: object) -> object:
        """Run the module; with ``viz`` also capture and draw its attention.

        Args:
            *args: What the module takes.
            viz: Capture this pass into :attr:`last` and draw it into :attr:`figure`. A dictionary
                of :meth:`draw`'s options says how: ``viz={"head": 3, "norm": "rank"}``.
            **kwargs: What the module takes, whatever its names.

        Raises:
            NothingCapturedError: The module ran without any attention that could be seen.
        """
        if viz is False:
            return self.module(*args, **kwargs)
        with capture(self.module) as attention:
            output = self.module(*args, **kwargs)
        if not attention.records:
            raise NothingCapturedError(describe_missing(self.module))
        self.last = attention
        self.draw(**({} if viz is True else viz))
        return output

    def draw(self, **options: Unpack[DrawOptions]) -> Figure:
        """Draw the last pass with ``viz`` once more, in another way.

        Args:
            **options: What to show, and how.

                - ``part``: ``"encoder"``, ``"decoder"`` or ``"cross"``; by default all of the
                  model, where a decoder's planes have the words they read on an inner ring.
                - ``sentence``: which of the batch; 0.
                - ``tokens``, ``target_tokens``: the words of the source, and of what a decoder
                  reads; numbers by default.
                - ``classes``: names of the class layer's outputs.
                - ``head``: ``"mean"`` of the heads, their ``"max"``, ``"all"`` of them side by
                  side in their own hues, or one head's number, counted from 0.
                - ``norm``: how strength is measured: ``"uniform"``, in multiples of an even
                  spread; ``"absolute"``, as published; ``"minmax"``, ``"row"``, ``"rank"``,
                  ``"log"``.
                - ``colour``: of links, by ``"weight"``, by (strongest) ``"head"``, or by
                  ``"change"`` since an earlier pass, given as ``against=``.
                - ``length``: ``"weight"`` moves strongly linked words together; ``"equal"``.
                - ``per_token`` (1 by default), ``top``, ``above``, ``mass``: which links are
                  drawn: so many per word, so many in all, those at least so strong, or the
                  strongest with so much of the weight.
                - ``against``: an earlier :attr:`last`; shows what has changed since.
                - ``special``: draw links of [CLS], [SEP] and the like; ``False``, since most
                  weight rests there and every plane would look like the same star.
                - ``show``: open the picture where there is a screen or a notebook; ``True``.

        Raises:
            ConfigurationError: An option that cannot work.
            NothingCapturedError: Nothing has been captured yet.
            TokenLengthError: Not one token per position.
        """
        # Imported here: a wrapped module that is never drawn needs no Matplotlib.
        from attn_monitor.wrapper.picture import draw  # noqa: PLC0415

        if self.last is None:
            raise NothingCapturedError(
                "there is nothing to draw yet; run the module with viz=True first"
            )
        self.figure = draw(self.last, training=self.module.training, **options)
        return self.figure

    def __getattr__(self, name: str) -> object:  # type: ignore[override]  # whatever it has
        """Return an attribute of the module: ``wrapper.d_model`` is ``module.d_model``."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def __getstate__(self) -> dict[str, object]:
        """Leave what was seen out of copies and files."""
        return {**self.__dict__, "last": None, "figure": None}
