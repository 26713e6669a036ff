"""What the tab is called, for whoever must know before the tab itself is loaded."""

from __future__ import annotations

from typing import Final

PLUGIN_NAME: Final = "attn_monitor"
DEFAULT_CACHE_MB: Final = 96
