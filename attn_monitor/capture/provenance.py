"""Where a tensor comes from: a small tag that travels with it through the forward pass.

A tag is a note on the tensor (:mod:`.notes`), so it dies with it, and it names ancestors by
number: a reference to them would keep every activation of the network alive.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple

from torch import Tensor, nn

from attn_monitor.capture.notes import TAG, write_note
from attn_monitor.capture.paths import Beginning, Buffer, projected
from attn_monitor.core.nouns import PartKind

_KEPT_ANCESTORS: Final = 6
_KEPT_STAGES: Final = 3
_numbers = itertools.count()


class Stretch(NamedTuple):
    """Some entries along an axis that does not hold channels: which is told by its stride."""

    stride: int
    first: int
    end: int


class Ancestor(NamedTuple):
    """A projection's input, or a stretch of its tokens."""

    number: int
    stretches: tuple[Stretch, ...] = ()

    def meets(self, other: Ancestor) -> bool:
        """Return whether both may hold the same tokens."""
        if self.number != other.number:
            return False
        return not any(
            mine.stride == its.stride and (mine.end <= its.first or its.end <= mine.first)
            for mine in self.stretches
            for its in other.stretches
        )


@dataclass(frozen=True, slots=True)
class Constant:
    """Made of parameters only: a weight matrix, its transpose, its half-precision copy.

    Attributes:
        shares: A softmax was taken of it, as of a pattern that is the same for every text.
    """

    shares: bool = False


@dataclass(slots=True, kw_only=True)  # never changed; frozen ones take thrice as long to make
class Lineage:
    """An activation that enters, or comes out of, a projection.

    Attributes:
        number: This very value; its views carry the same number.
        ancestors: The projection inputs that it descends from, nearest first.
        projection: Number of the projection that made it; ``None`` for an input, and after two
            projections were mixed.
        stages: Earlier forms of it, oldest first, one of which may be "before rotary".
        changed: Something other than views happened since the projection.
        part: Where a slice of an input begins and its shape.
        stretches: Which of the input's tokens a slice holds.
        path: The memory it lies in, where only linear operators led here from a projection.
        shares: A softmax was taken of it, though it is no product of queries and keys.
    """

    number: int
    ancestors: tuple[Ancestor, ...] = ()
    projection: int | None = None
    projected: bool = False
    stages: tuple[Tensor, ...] = ()
    changed: bool = False
    part: tuple[int, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    path: Buffer | Beginning | None = None
    shares: bool = False

    @property
    def untouched(self) -> bool:
        """Whether this is an input that nothing was done with, as a tensor of zeros."""
        return not (self.projected or self.changed or self.ancestors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A product of two activations, and what becomes of it up to the attention weights.

    Attributes:
        left: The product's first operand, ``[..., query, d_head]``.
        right: Its second operand, ``[..., d_head, key]``.
        axes: Which axes hold the left and the right operand's tokens; ``None`` where unknown.
        kind: What the ancestry says about queries and keys; ``None`` where it says nothing.
        shape: The last shape with four or more axes, which tells sentences from heads.
        state: ``"weights"`` once a softmax (or another squashing function) was applied;
            ``"shaped"`` after another function that is not linear; ``"logarithms"`` of weights.
        before: What the softmax was given.
        largest: ``[..., ]`` largest entry before the softmax, over the last two axes.
        normalised: A softmax made the weights, or a division by their sum.
        joined: The other products that share this softmax, side by side with this one.
        composed: Weights were multiplied with weights.
    """

    left: Tensor
    right: Tensor
    kind: PartKind | None
    axes: tuple[int, int] | None
    shape: tuple[int, ...] | None = None
    state: Literal["scores", "shaped", "exponentials", "logarithms", "weights"] = "scores"
    largest: Tensor | None = None
    before: Tensor | None = None
    normalised: bool = False
    joined: tuple[Scores, ...] = ()
    composed: bool = False


@dataclass(frozen=True, slots=True)
class Attended:
    """The output of attention calls; the next projection it meets is W_O.

    Attributes:
        calls: Their numbers.
        path: The memory it lies in; ``None`` after an operator that is not linear.
        number: This very value; its views carry the same number.
    """

    calls: frozenset[int]
    path: Buffer | None = None
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Every query beside every key, channel by channel: what adds the channels up makes scores.

    Attributes:
        left: ``[..., query, d_head]``.
        right: ``[..., d_head, key]``.
        axes: Which axes hold the left and the right operand's tokens.
    """

    left: Tensor
    right: Tensor
    axes: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """Weights times values, not added up over the keys yet.

    Attributes:
        scores: Where the weights come from.
        weights: ``[..., 1]``: one for all channels.
        values: ``[..., d_value]``.
    """

    scores: Scores
    weights: Tensor
    values: Tensor


Tag = Constant | Lineage | Scores | Pairs | Weighed | Attended
CONSTANT: Final = Constant()
CONSTANT_SHARES: Final = Constant(shares=True)


def tag_of(tensor: Tensor) -> Tag | None:
    """Return the tensor's tag; a parameter is :data:`CONSTANT` from birth."""
    tag: Tag | None = getattr(tensor, TAG, None)
    if tag is None and type(tensor) is nn.Parameter:
        return CONSTANT
    return tag


def set_tag(tensor: Tensor, tag: Tag | None) -> None:
    """Attach a tag, replacing an older one; ``None`` takes it off."""
    if tag is not None:
        write_note(tensor, TAG, tag)
    elif hasattr(tensor, TAG):
        delattr(tensor, TAG)


def new_number() -> int:
    """Return a number that no other value carries."""
    return next(_numbers)


def projected_from(source: Lineage | None, output: Tensor | None = None) -> Lineage:
    """Return the lineage of a projection's output, which is followed where it is given."""
    number = new_number()
    origin = None if source is None else (source.number, *source.part)
    older = source.ancestors[:_KEPT_ANCESTORS] if source is not None and source.projected else ()
    return Lineage(
        number=number,
        ancestors=() if source is None else (Ancestor(source.number, source.stretches), *older),
        projection=number,
        projected=True,
        path=None if output is None else projected(output, origin),
    )


def part_of(lineage: Lineage, whole: Tensor, slice_: Tensor) -> Lineage:
    """Return the lineage of a slice, which knows where in the whole it lies."""
    part = (*lineage.part, int(slice_.storage_offset()), *slice_.shape)
    stretch = None if whole.is_nested or slice_.is_nested else _stretch(whole, slice_)
    added = () if stretch is None else (stretch,)
    return replace(lineage, part=part, stretches=(*lineage.stretches, *added))


def _stretch(whole: Tensor, slice_: Tensor) -> Stretch | None:
    """Return which tokens a slice holds; ``None`` where it was not cut along one axis of them."""
    first = int(slice_.storage_offset()) - int(whole.storage_offset())
    kept = list(zip(slice_.shape, slice_.stride(), strict=True))
    axes = list(zip(whole.shape, whole.stride(), strict=True))
    for axis, (size, step) in enumerate(axes):
        others = axes[:axis] + axes[axis + 1 :]
        if step <= 1:
            continue
        if kept == others:  # one of them
            return Stretch(step, first // step, first // step + 1)
        cut = len(kept) == len(axes) and kept[:axis] + kept[axis + 1 :] == others
        if cut and kept[axis][0] < size and kept[axis][1] == step:
            return Stretch(step, first // step, first // step + kept[axis][0])
    return None


def with_stage(lineage: Lineage, earlier: Tensor) -> tuple[Tensor, ...]:
    """Return the stages after ``earlier`` was left behind."""
    if lineage.projection is None or len(lineage.stages) == _KEPT_STAGES:
        return lineage.stages
    return (*lineage.stages, earlier)


def kinship(query: Tensor, key: Tensor) -> PartKind | None:
    """Return whether queries and keys come from the same tokens; ``None`` where unknown."""
    mine, other = tag_of(query), tag_of(key)
    if not (isinstance(mine, Lineage) and isinstance(other, Lineage)):
        return None
    if not (mine.ancestors and other.ancestors):
        return None
    akin = any(one.meets(another) for one in mine.ancestors for another in other.ancestors)
    return "self" if akin else "cross"


def before_positions(tensor: Tensor, repeats: Callable[[], int] = lambda: 1) -> Tensor | None:
    """Return the projection's own output that ``tensor`` was made of by rotary positions.

    Args:
        tensor: Queries or keys as they entered the product.
        repeats: Returns how often grouped key heads were repeated since.
    """
    tag = tag_of(tensor)
    if not (isinstance(tag, Lineage) and tag.changed and tag.projection is not None):
        return None
    sizes = {tensor.numel(), tensor.numel() // repeats()}
    fitting = [stage for stage in tag.stages if stage.numel() in sizes]
    return fitting[-1].detach() if fitting else None
