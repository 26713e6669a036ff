"""``capture(model)``: read the attention of any PyTorch model while it runs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_monitor.capture.kernels import watching
from attn_monitor.capture.lessons import Learning, Lesson, Lessons, Looking
from attn_monitor.capture.missing import Gap, find_gaps
from attn_monitor.capture.mode import CaptureMode
from attn_monitor.capture.modules import module_names
from attn_monitor.capture.mutations import AWAITED
from attn_monitor.capture.muting import Muting
from attn_monitor.capture.outputs import Outputs
from attn_monitor.capture.parts import Call, arrange
from attn_monitor.capture.record import Record
from attn_monitor.capture.shaking import Shaking
from attn_monitor.capture.sources import Follower
from attn_monitor.capture.tracer import Sink, Tracer
from attn_monitor.core.errors import ConfigurationError
from attn_monitor.core.nouns import Part


@contextmanager
def capture(
    model: nn.Module,
    *,
    sink: Sink | None = None,
    verify: bool = True,
    follower: Follower | None = None,
    muting: Muting | None = None,
    lesson: Lesson | None = None,
    shaking: bool = False,
) -> Iterator[AttentionCapture]:
    """Read every attention call of ``model`` inside the ``with`` block, without changing it.

    Nothing stays installed after the block, also after an exception. Train and eval flags,
    gradients and outputs are left as they are.

    Args:
        model: Any module; wrappers (DDP, FSDP, ``torch.compile``) are seen through.
        sink: Called with each record as soon as it is complete. The record must not be kept: that
            is what bounds memory. Without a sink, records are collected.
        verify: Check on sampled rows that recomputed weights reproduce the layer's output.
        follower: Follows the entries of a batch to the attention that they take part in, so that
            each record knows whose tokens it is about; by default what enters the model is
            followed while ``verify`` is on.
        muting: Heads that are silent meanwhile: this does change what the model computes.
        lesson: What is known of passes over batches of this shape: ``Lesson()`` before the first,
            the same one for each pass. The first fills it. Later ones look at the operators on the
            way of attention alone, and all of it is watched again in every 17th. Needs
            ``verify=False`` and no follower, which run operators of their own. What a later pass
            shows is complete where :attr:`AttentionCapture.difference`, after the block, is empty;
            else the model did something else than before (another module, another shape, another
            operator near its attention), and the pass is to be made again: it fills the lesson
            anew. Attention that begins to run where there was none is seen when all is watched.
            Records of later passes lack what queries and keys were before their positions.
        shaking: Let layers with weights answer as if these were others, to see whose tokens are
            compared then: this changes it, too.

    Yields:
        The capture; read it during or after the block.

    Raises:
        ConfigurationError: A lesson was given together with ``verify`` or a follower.

    Example:
        >>> layer = nn.TransformerEncoderLayer(8, 2, batch_first=True).eval()
        >>> with torch.no_grad(), capture(nn.TransformerEncoder(layer, 2)) as attention:
        ...     _ = attention.model(torch.randn(1, 5, 8))
        >>> attention["encoder"].weights(1).shape
        torch.Size([1, 2, 5, 5])
    """
    if lesson is not None and (verify or follower is not None):
        raise ConfigurationError(
            "capture got a lesson and is to run operators of its own beside the model's; later "
            "passes are told apart by what runs: give verify=False and no follower"
        )
    followed = Follower() if follower is None and verify else follower
    mode = CaptureMode()
    lessons: Lessons | None = None
    if lesson is not None and lesson.usable:
        lessons = Looking(lesson, None if AWAITED else mode)
    elif lesson is not None:
        lessons = Learning(lesson, module_names(model), mode)
    attention = AttentionCapture(
        model, sink=sink, verify=verify, follower=followed, lessons=lessons
    )
    tracer = mode.tracer = attention.tracer
    tracer.muting = muting
    tracer.shaken = Shaking() if shaking else None
    with tracer.running(), eagerly(), watching(tracer), mode:
        yield attention
    if isinstance(lessons, Looking):
        lessons.end()
    elif lessons is not None:
        lessons.end(tracer.errors)


@contextmanager
def eagerly() -> Iterator[None]:
    """Run compiled functions as written: a compiled kernel has no operators to look at.

    Only where a compiler was loaded already, or flex attention, which loads one when it first
    runs: importing it here costs a second and about 70 MB.
    """
    if not {"torch._dynamo", "torch.nn.attention.flex_attention"} & sys.modules.keys():
        yield
        return
    with torch.compiler.set_stance("force_eager"), warnings.catch_warnings():
        # A compiled module warns that it runs the global hooks twice, which the capture expects.
        warnings.filterwarnings("ignore", message=r"Using `torch.compile\(module\)` when there are")
        yield


class AttentionCapture:
    """What one ``with capture(model)`` block saw.

    Attributes:
        model: The model that is captured.
        records: Every attention call in execution order; empty where a sink took them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        sink: Sink | None,
        verify: bool,
        follower: Follower | None = None,
        lessons: Lessons | None = None,
    ) -> None:
        self.model = model
        self.records: list[Record] = []
        self.tracer = Tracer(
            model, sink or self.records.append, verify=verify, follower=follower, lessons=lessons
        )

    @property
    def errors(self) -> list[str]:
        """Problems inside the capture, each once; they never reach the model."""
        return list(self.tracer.errors)

    @property
    def difference(self) -> str:
        """What did not go as learned, so that records may be missing; empty for nothing."""
        lessons = self.tracer.lessons
        return lessons.difference if isinstance(lessons, Looking) else ""

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Modules that ran, look like attention, and of which nothing was captured."""
        modules = self.tracer.modules
        return find_gaps(
            self.model,
            modules.ran,
            modules.attended,
            self.tracer.seen,
            weighing=modules.weighing,
            linear=modules.linear,
            choosing=modules.choosing,
            channelwise=modules.channelwise,
        )

    @property
    def outputs(self) -> Outputs:
        """The model's output and last hidden states, of its last finished forward pass."""
        return Outputs.of(self.tracer.modules.results)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the streams that were seen, an encoder first."""
        return tuple(part.name for part in self.arrangement)

    @property
    def arrangement(self) -> tuple[Part, ...]:
        """The streams with their layers."""
        return arrange([Call.of(record) for record in self.records])[1]

    def __getitem__(self, part: str) -> PartCapture:
        """Return one stream by its name."""
        places, parts = arrange([Call.of(record) for record in self.records])
        for candidate in parts:
            if candidate.name == part:
                members = [r for r in self.records if places[r.module, r.call][0] == part]
                return PartCapture(candidate, members)
        seen = ", ".join(repr(candidate.name) for candidate in parts) or "none"
        raise KeyError(f"no part {part!r} was captured; seen: {seen}")


class PartCapture:
    """The layers of one stream.

    Attributes:
        part: Its name, kind and layers.
        records: Its attention calls, one per layer.
    """

    def __init__(self, part: Part, records: list[Record]) -> None:
        self.part = part
        self.records = records

    @property
    def layers(self) -> tuple[str, ...]:
        """Module paths in execution order."""
        return tuple(layer.name for layer in self.part.layers)

    def weights(self, layer: int) -> Float[Tensor, "sentence head query key"]:
        """Return a layer's attention weights, float32; rows sum to 1 over visible keys."""
        return self.records[layer].weights()

    def query(self, layer: int) -> Float[Tensor, "sentence head query d_head"]:
        """Return a layer's queries as they enter the product, float32."""
        return self.records[layer].query.float()

    def key(self, layer: int) -> Float[Tensor, "sentence key_head key d_head"]:
        """Return a layer's keys as they enter the product, float32."""
        return self.records[layer].key.float()

    def value(self, layer: int) -> Float[Tensor, "sentence key_head key d_value"]:
        """Return a layer's values, float32."""
        return self.records[layer].value.float()
