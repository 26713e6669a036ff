"""TensorBoard's entry point.

It imports next to nothing, because an error here would stop TensorBoard altogether; whatever else
of ours is broken costs the user this one tab.
"""

from __future__ import annotations

import argparse
import logging

from tensorboard.plugins import base_plugin

from tb_plugin.metadata import DEFAULT_CACHE_MB, PLUGIN_NAME

logger = logging.getLogger(__name__)


class Loader(base_plugin.TBLoader):  # type: ignore[misc]  # tensorboard ships no types
    """Loads the tab, or says in TensorBoard's log why it cannot."""

    def define_flags(self, parser: argparse.ArgumentParser) -> None:
        """Add our command-line flag."""
        group = parser.add_argument_group("attention monitor")
        group.add_argument(
            "--attn_monitor_hosts",
            metavar="NAME,NAME",
            default="",
            help="Further names under which TensorBoard is reached, for example a proxy's; * for "
            "any. The Attention tab answers no request under a name that TensorBoard does not "
            "listen on, nor one of another site's page. Also read from ATTN_MONITOR_HOSTS.",
        )
        group.add_argument(
            "--attn_monitor_cache_mb",
            type=int,
            default=DEFAULT_CACHE_MB,
            help="Memory for recently shown attention maps, in megabytes (default: %(default)s).",
        )

    def fix_flags(self, flags: argparse.Namespace) -> None:
        """Keep one marker per run in memory: they only tell which runs have a recording."""
        samples = dict(getattr(flags, "samples_per_plugin", None) or {})
        samples.setdefault(PLUGIN_NAME, 1)
        flags.samples_per_plugin = samples

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        """Return the tab, or ``None`` if this installation of it is broken."""
        try:
            from tb_plugin.plugin import AttentionPlugin  # noqa: PLC0415 - see the module's text

            return AttentionPlugin(context)
        except Exception:
            logger.exception("The Attention tab could not be loaded; reinstall attn-monitor.")
            return None
