"""What the routes read with, and what these remember. Knows no HTTP.

scipy, scikit-learn and gudhi take a second or two to import, and TensorBoard should not wait for
them before it shows its first page: they come with the first question that needs them, or a moment
after the page was asked for (see ``ahead.py``).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from attn_monitor.store.lru import ByteLru
from tb_plugin.server.packed_frames import MapReader

if TYPE_CHECKING:
    from tb_plugin.server.curves import CurvesReader
    from tb_plugin.server.joint_plane import JointReader
    from tb_plugin.server.lens import LensReader
    from tb_plugin.server.step_piles import OverTimeReader
    from tb_plugin.server.vectors import VectorReader

_CACHE_BYTES = 12 * 2**20  # of each kind of answer that is costly to make again


class Readers:
    """One reader per kind of question; safe to use from several threads.

    Attributes:
        maps: Reads attention maps.
        answers: Recent answers as JSON, by what they depend on.
    """

    def __init__(self, cache_bytes: int) -> None:
        """Remember up to ``cache_bytes`` of maps."""
        self.maps = MapReader(cache_bytes)
        self.answers = ByteLru[tuple[object, ...], bytes](_CACHE_BYTES)

    @cached_property
    def lenses(self) -> LensReader:
        """Makes lenses."""
        from tb_plugin.server.lens import LensReader  # noqa: PLC0415 - see the module

        return LensReader(self._vectors, _CACHE_BYTES)

    @cached_property
    def joint(self) -> JointReader:
        """Places queries and keys on one plane."""
        from tb_plugin.server.joint_plane import JointReader  # noqa: PLC0415 - see the module

        return JointReader(self._vectors, _CACHE_BYTES)

    @cached_property
    def curves(self) -> CurvesReader:
        """Averages metrics over heads, at all steps."""
        from tb_plugin.server.curves import CurvesReader  # noqa: PLC0415 - imports the analysis

        return CurvesReader(_CACHE_BYTES)

    @cached_property
    def over_time(self) -> OverTimeReader:
        """Piles the steps of a head."""
        from tb_plugin.server.step_piles import OverTimeReader  # noqa: PLC0415 - see the module

        return OverTimeReader(_CACHE_BYTES)

    @cached_property
    def _vectors(self) -> VectorReader:
        from tb_plugin.server.vectors import VectorReader  # noqa: PLC0415 - see the module

        return VectorReader(_CACHE_BYTES)
