"""Where things lie: inside a run's directory and inside a step's zip file."""

from __future__ import annotations

import re
from typing import Final

from attn_monitor.core.nouns import Part, Probe

PLUGIN_FOLDER: Final = "plugins/attn_monitor"
RUN_FILE: Final = "run.json"
COMMITS_FILE: Final = "commits.jsonl"
METRICS_FILE: Final = "metrics.f32"
STEPS_FOLDER: Final = "steps"
FIRST_ASKED: Final = 8192  # among indices of probes: no training draws so many
LAST_ASKED: Final = 9999

CODES: Final = "codes"
ROW_MAX: Final = "row_max"
ROWS_SUM_TO_ONE: Final = "rows_sum_to_one"
QUERY_VECTORS: Final = "query_vectors"
KEY_VECTORS: Final = "key_vectors"
VALUE_VECTORS: Final = "value_vectors"
WIDTHS: Final = "widths"
WINDOW: Final = "window"
THUMBNAIL: Final = "thumbnail"
QUERIES: Final = "queries"
KEYS: Final = "keys"
QUERY_EDGES: Final = "query_edges"
KEY_EDGES: Final = "key_edges"
LAYERS: Final = "layers"
HEADS: Final = "heads"

CLASSES: Final = "~classes"
CLASS_SCORES: Final = "scores"
CONTRIBUTIONS: Final = "contributions"
METHOD: Final = "method"

_CHUNK = 2**20
_LARGEST_CHUNK = 2 * _CHUNK
ASKED_FOLDER: Final = re.compile(r"asked_\d{4}")

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def rank_folder(rank: int) -> str:
    """Return the folder of one rank, relative to the run's directory."""
    return f"{PLUGIN_FOLDER}/rank_{rank:04d}"


def asked_folder(probe: int) -> str:
    """Return the folder of a sentence that was asked later, relative to the run's directory."""
    return f"{PLUGIN_FOLDER}/asked_{probe:04d}"


def step_file_name(step: int, attempt: int) -> str:
    """Return the zip file of one writing of a step, relative to the rank's folder."""
    return f"{STEPS_FOLDER}/{step:010d}-a{attempt}.zarr.zip"


def part_group(parts: tuple[Part, ...], part: Part) -> str:
    """Return the zarr group of a part: its name where that is a plain one, else its number."""
    if _PLAIN_NAME.fullmatch(part.name):
        return part.name
    return f"~{parts.index(part)}"


def probe_group(parts: tuple[Part, ...], part: Part, probe: int) -> str:
    """Return the zarr group that holds one probe's arrays of one part."""
    return f"{part_group(parts, part)}/{probe:04d}"


def class_group(probe: int) -> str:
    """Return the zarr group of the class scores of one probe; no part can be called like it."""
    return f"{CLASSES}/{probe:04d}"


def rows_per_chunk(heads: int, queries: int, keys: int) -> int:
    """Return how many query rows of one layer are compressed, and read, together.

    All of them for sentences; blocks of about a megabyte for long texts, of which a page shows a
    window at a time.
    """
    if heads * queries * keys <= _LARGEST_CHUNK:
        return queries
    return max(1, _CHUNK // (heads * keys))


def map_shape(part: Part, probe: Probe) -> tuple[int, int, int, int]:
    """Return the [layer, head, query, key] shape of a probe's maps."""
    query, key = probe.axes(part)
    return len(part.layers), part.heads, len(query), len(key)
