"""The module around a module, whose forward pass can be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from torch import nn

from attn_monitor.capture import AttentionCapture, capture, describe_missing
from attn_monitor.core.errors import NothingCapturedError
from attn_monitor.core.keywords import spelled_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attn_monitor.figures.planes import Colour, Head, Length, Norm


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

    def forward(
        self, *args: object, viz: bool | Mapping[str, object] = False, **kwargs: object
    ) -> object:
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
            raise NothingCapturedError(describe_missing(self.module, attention.gaps))
        self.last = attention
        draw: Callable[..., Figure] = self.draw
        draw(**({} if viz is True else viz))
        return output

    @spelled_out()
    def draw(
        self,
        *,
        part: str | None = None,
        sentence: int = 0,
        tokens: Sequence[str] | None = None,
        target_tokens: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        head: Head = "mean",
        norm: Norm = "uniform",
        colour: Colour | None = None,
        length: Length = "equal",
        per_token: float | None = None,
        count: int | None = None,
        level: float | None = None,
        mass: float | None = None,
        against: AttentionCapture | None = None,
        special: bool = False,
        show: bool = True,
    ) -> Figure:
        """Draw the last pass with ``viz`` once more, in another way.

        Args:
            part: ``"encoder"``, ``"decoder"`` or ``"cross"``; by default all of the model, where a
                decoder's planes have the words they read on an inner ring.
            sentence: Which of the batch, from 0.
            tokens: The words of the source; numbers by default.
            target_tokens: The words of what a decoder reads; numbers by default.
            classes: Names of the class layer's outputs.
            head: ``"mean"`` of the heads, their ``"max"``, ``"all"`` of them side by side in their
                own hues, or one head's number, counted from 0.
            norm: How strength is measured: ``"uniform"``, in multiples of an even spread;
                ``"raw"``, as published; ``"layer"``, ``"row"``, ``"rank"``, ``"log"``.
            colour: Of links, by ``"weight"``, by (strongest) ``"head"``, or by ``"change"`` since
                an earlier pass, given as ``against``; by default what the picture is about.
            length: ``"weight"`` moves strongly linked words together; ``"equal"`` does not.
            per_token: How many links are drawn per word; 1 if no rule is given.
            count: How many links are drawn in all.
            level: Draw links at least so strong.
            mass: Draw the strongest links that hold so much of the weight, 0 to 1.
            against: An earlier :attr:`last`; shows what has changed since.
            special: Draw links of [CLS], [SEP] and the like: most weight rests there, and every
                plane would look like the same star.
            show: Open the picture where there is a screen or a notebook.

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
        self.figure = draw(
            self.last,
            training=self.module.training,
            part=part,
            sentence=sentence,
            tokens=tokens,
            target_tokens=target_tokens,
            classes=classes,
            head=head,
            norm=norm,
            colour=colour,
            length=length,
            per_token=per_token,
            count=count,
            level=level,
            mass=mass,
            against=against,
            special=special,
            show=show,
        )
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
