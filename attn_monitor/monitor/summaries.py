"""What goes into the event file: scalars, pictures and the markers that open the tab."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from attn_monitor.analysis import Metric
from attn_monitor.core.arrays import mean_of_defined
from attn_monitor.core.nouns import Part

PLUGIN_NAME = "attn_monitor"


@runtime_checkable
class SummaryWriter(Protocol):
    """What we use of ``torch.utils.tensorboard.SummaryWriter``."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Write one number."""
        ...

    def add_image(
        self, tag: str, img_tensor: np.ndarray, global_step: int, *, dataformats: str
    ) -> None:
        """Write one picture."""
        ...

    def flush(self) -> None:
        """Hand everything to the disk."""
        ...

    # Private there, and the only way to add a summary of a plugin's own.
    def _get_file_writer(self) -> Any:  # noqa: ANN401
        ...


def add_marker(writer: SummaryWriter, *, session: str, step: int, epoch: int) -> None:
    """Tell TensorBoard that this run holds a recording: the tab becomes active."""
    text = json.dumps({"session": session, "step": step, "epoch": epoch})
    _add_tensor(writer, "attention/marker", np.array([text.encode()], dtype=object), step)


def add_metrics(
    writer: SummaryWriter, part: str, values: Float[np.ndarray, "layer head metric"], step: int
) -> None:
    """Write the metrics of one part as one small tensor, mean over validation probes."""
    _add_tensor(writer, f"attention/metrics/{part}", values.astype(np.float32), step)


def charts(
    part: Part, metrics: Sequence[Metric], values: Float[np.ndarray, "layer head metric"]
) -> dict[str, float]:
    """Return every metric of every layer of a part, mean over its heads, where it is defined."""
    found: dict[str, float] = {}
    for m, metric in enumerate(metrics):
        for index, layer in enumerate(part.layers):
            mean = _mean(values[index, : layer.heads, m])
            if mean is not None:
                found[f"{metric.spec.name}/{part.name}_L{index + 1}"] = mean
    return found


def few_charts(
    parts: Mapping[str, Float[np.ndarray, "layer head metric"]],
    metrics: Sequence[Metric],
    *,
    most: int,
) -> dict[str, float]:
    """Return at most ``most`` numbers: the metrics that say most, mean over each part's heads.

    Metrics that are not ours come first: somebody wrote them in order to see them.
    """
    names = [m.spec.name for m in metrics]
    foreign = [m.spec.name for m in metrics if not m.function.__module__.startswith(_OURS)]
    found: dict[str, float] = {}
    for name in (*foreign, *_TELLING):
        for part, values in parts.items():
            mean = _mean(values[..., names.index(name)]) if name in names else None
            if mean is not None and len(found) < most:
                found[f"{name}/{part}"] = mean
    return found


_OURS = "attn_monitor."
_TELLING = ("row_entropy", "sink", "prev", "induction", "head_diversity", "distance", "self")


def _mean(values: Float[np.ndarray, "*_any"]) -> float | None:
    mean = float(mean_of_defined(values, axes=tuple(range(values.ndim))))
    return None if math.isnan(mean) else mean


def drawn(figure: Figure) -> UInt8[np.ndarray, "row column 3"]:
    """Return a Matplotlib figure as pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def add_picture(
    writer: SummaryWriter, tag: str, pixels: UInt8[np.ndarray, "row column 3"], step: int
) -> None:
    """Write a picture to the Images tab."""
    writer.add_image(tag, pixels, step, dataformats="HWC")


def add_charts(writer: SummaryWriter, values: Mapping[str, float], step: int) -> None:
    """Write numbers to the Scalars tab, which is sorted by name: after the user's own."""
    for name, value in values.items():
        writer.add_scalar(f"z_attention/{name}", value, step)


def _add_tensor(writer: SummaryWriter, tag: str, values: np.ndarray, step: int) -> None:
    # Imported here: attn_monitor works without TensorBoard, and then has no writer either.
    from tensorboard.compat.proto.summary_pb2 import (  # noqa: PLC0415
        DATA_CLASS_TENSOR,
        Summary,
        SummaryMetadata,
    )
    from tensorboard.util import tensor_util  # noqa: PLC0415

    metadata = SummaryMetadata(
        # Without a data class TensorBoard does not list the tag at all.
        data_class=DATA_CLASS_TENSOR,
        plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=b'{"schema":1}'),
    )
    value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor_util.make_tensor_proto(values))
    writer._get_file_writer().add_summary(Summary(value=[value]), step)
