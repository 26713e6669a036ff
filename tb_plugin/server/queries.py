"""What may be asked of one run: a query per route, each read from an address by its ``of``.

Imports no analysis: TensorBoard starts with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from attn_monitor.core.nouns import Split
from tb_plugin.server.params import (
    bounded,
    choice,
    integer,
    integers,
    names,
    optional_integer,
    required,
    span,
    split,
)

if TYPE_CHECKING:
    from attn_monitor.analysis.piles.features import Scale
    from attn_monitor.analysis.piles.tree import Linkage

Args = Mapping[str, str]

MOST_MERGED = 4096
MOST_CLUSTERS = 64
MOST_CURVES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """A question about a run as a whole.

    Attributes:
        run: Its name in TensorBoard.
    """

    run: str

    @classmethod
    def of(cls, args: Args) -> RunQuery:
        """Read the query."""
        return cls(run=required(args, "run"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rectangle of an attention map: query rows and key columns, each ``start <= at < stop``.

    ``merge`` neighbouring tokens make one row and one column of the reply.
    """

    rows: tuple[int, int] | None = None
    keys: tuple[int, int] | None = None
    merge: int = 1

    @property
    def is_whole(self) -> bool:
        """Nothing is cut away."""
        return self.rows is None and self.keys is None and self.merge == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MapQuery:
    """Which attention maps are wanted.

    Attributes:
        step: A recorded step.
        part: Name of a part.
        probe: Index of a probe.
        layers: Layers in the order wanted; ``None`` for all.
        window: The rectangle wanted of each map.
    """

    step: int
    part: str
    probe: int
    layers: tuple[int, ...] | None = None
    window: Window = Window()

    @classmethod
    def of(cls, args: Args) -> MapQuery:
        """Read the query."""
        return cls(
            step=integer(args, "step"),
            part=required(args, "part"),
            probe=integer(args, "probe"),
            layers=integers(args, "layers"),
            window=Window(
                rows=span(args, "rows"),
                keys=span(args, "keys"),
                merge=bounded(args, "merge", default=1, low=1, high=MOST_MERGED),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsQuery:
    """Which metrics are wanted, over all steps.

    Attributes:
        part: Name of a part.
        probe: Index of a probe, or ``None`` for the mean over a split.
        split: Whose mean.
    """

    part: str
    probe: int | None
    split: Split

    @classmethod
    def of(cls, args: Args) -> MetricsQuery:
        """Read the query."""
        return cls(
            part=required(args, "part"), probe=optional_integer(args, "probe"), split=split(args)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassesQuery:
    """Whose class scores are wanted.

    Attributes:
        step: A recorded step.
        probe: Index of a probe.
    """

    step: int
    probe: int

    @classmethod
    def of(cls, args: Args) -> ClassesQuery:
        """Read the query."""
        return cls(step=integer(args, "step"), probe=integer(args, "probe"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RedundancyQuery:
    """Among which heads redundant and idle ones are sought.

    Attributes:
        step: A recorded step.
        part: Name of a part.
        split: Over whose sentences heads are compared.
    """

    step: int
    part: str
    split: Split

    @classmethod
    def of(cls, args: Args) -> RedundancyQuery:
        """Read the query."""
        return cls(step=integer(args, "step"), part=required(args, "part"), split=split(args))


@dataclass(frozen=True, slots=True, kw_only=True)
class PilesQuery:
    """Which piles are wanted.

    Attributes:
        step: A recorded step.
        part: Name of a part.
        split: Over whose sentences heads are compared.
        linkage: How the distance between two piles is measured.
        scale: Which features make two heads alike.
    """

    step: int
    part: str
    split: Split
    linkage: Linkage
    scale: Scale

    @classmethod
    def of(cls, args: Args) -> PilesQuery:
        """Read the query; the first one imports scipy."""
        from attn_monitor.analysis.piles.features import Scale  # noqa: PLC0415 - see the module
        from attn_monitor.analysis.piles.tree import Linkage  # noqa: PLC0415

        return cls(
            step=integer(args, "step"),
            part=required(args, "part"),
            split=split(args),
            linkage=choice(args, "linkage", get_args(Linkage)),
            scale=choice(args, "scale", get_args(Scale)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadQuery:
    """Which head is asked for, and at which step.

    Attributes:
        step: A recorded step.
        part: Name of a part.
        layer: Layer in execution order.
        head: Head of that layer.
    """

    step: int
    part: str
    layer: int
    head: int

    @classmethod
    def of(cls, args: Args) -> HeadQuery:
        """Read the query."""
        return cls(
            step=integer(args, "step"),
            part=required(args, "part"),
            layer=integer(args, "layer"),
            head=integer(args, "head"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LensQuery(HeadQuery):
    """Which lens is wanted.

    Attributes:
        k: Number of clusters per side.
    """

    k: int

    @classmethod
    def of(cls, args: Args) -> LensQuery:
        """Read the query."""
        of = HeadQuery.of(args)
        k = bounded(args, "k", default=16, low=2, high=MOST_CLUSTERS)
        return cls(step=of.step, part=of.part, layer=of.layer, head=of.head, k=k)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTimeQuery:
    """Which head is wanted, and how different a step must be to start a pile.

    Attributes:
        part: Name of a part.
        layer: Layer in execution order.
        head: Head of that layer.
        probe: The sentence whose maps stand for the piles.
        split: Over whose sentences steps are compared.
        cut: How much a step must differ, in thousandths of the distance 0 to 1.
    """

    part: str
    layer: int
    head: int
    probe: int
    split: Split
    cut: int

    @classmethod
    def of(cls, args: Args) -> OverTimeQuery:
        """Read the query."""
        return cls(
            part=required(args, "part"),
            layer=integer(args, "layer"),
            head=integer(args, "head"),
            probe=integer(args, "probe"),
            split=split(args),
            cut=bounded(args, "cut", default=150, low=1, high=1000),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesQuery:
    """Which curves are wanted.

    Attributes:
        part: Name of a part.
        metrics: Names of metrics; ``None`` for every one.
        layer: Only heads of this layer; ``None`` for the mean over all layers and heads.
        head: Only this head of the layer; ``None`` for the mean over its heads.
    """

    part: str
    metrics: tuple[str, ...] | None = None
    layer: int | None = None
    head: int | None = None

    @classmethod
    def of(cls, args: Args) -> CurvesQuery:
        """Read the query."""
        return cls(
            part=required(args, "part"),
            metrics=names(args, "metrics", most=MOST_CURVES) if "metrics" in args else None,
            layer=optional_integer(args, "layer"),
            head=optional_integer(args, "head"),
        )
