"""Event files with the markers that the callback leaves, written without torch."""

from __future__ import annotations

import json

import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util

from attn_monitor.store import RunWriter


def _value(tag, plugin, content, tensor):
    metadata = summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name=plugin, content=content),
        data_class=(
            summary_pb2.DATA_CLASS_SCALAR if plugin == "scalars" else summary_pb2.DATA_CLASS_TENSOR
        ),
    )
    proto = tensor_util.make_tensor_proto(tensor)
    return summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=proto)


def write_markers(run_dir, session, steps):
    """One marker and one scalar per step."""
    writer = EventFileWriter(str(run_dir))
    for step in steps:
        text = json.dumps({"session": session, "step": step, "epoch": 0})
        values = [
            _value(
                "attention/marker",
                "attn_monitor",
                b'{"schema":1}',
                np.array([text], dtype=object),
            ),
            _value("loss", "scalars", b"", np.float32(1 / (step + 1))),
        ]
        summary = summary_pb2.Summary(value=values)
        writer.add_event(event_pb2.Event(step=step, summary=summary, wall_time=1e9 + step))
    writer.close()


def write_run(run_dir, info, records, **options):
    """A recording with its markers, as training leaves it."""
    with RunWriter(run_dir, info, **options) as writer:
        for record in records:
            writer.write(record)
    write_markers(run_dir, writer.session, [record.step for record in records])
    return writer
