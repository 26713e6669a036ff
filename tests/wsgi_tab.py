"""TensorBoard's own WSGI application around our plugin, in this process, on a real log directory.

Skipped are only its command line and its socket; tests/e2e starts those.
"""

from __future__ import annotations

import argparse
import warnings

from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

from tb_plugin.loader import Loader

with warnings.catch_warnings():
    # TensorBoard's copy of bleach warns about its own copy of html5lib when it is imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from tensorboard.backend.application import TensorBoardWSGI
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

HOSTILE_NAME = "weird run/ünï #1 & <b>"


class Tab:
    """Asks the plugin's routes."""

    def __init__(self, logdir, *, multiplexer=True, prefix=""):
        self._events = EventMultiplexer()
        self._logdir = str(logdir)
        self.reload()
        provider = MultiplexerDataProvider(self._events, self._logdir)
        context = TBContext(
            data_provider=provider,
            logdir=self._logdir,
            multiplexer=self._events if multiplexer else None,
            flags=argparse.Namespace(attn_monitor_cache_mb=1),
        )
        self.plugin = Loader().load(context)
        assert self.plugin is not None
        self._base = f"{prefix}/data/plugin/attn_monitor"
        self.client = Client(TensorBoardWSGI([self.plugin], prefix, provider))

    def reload(self):
        """What TensorBoard does every few seconds."""
        self._events.AddRunsFromDirectory(self._logdir)
        self._events.Reload()

    def get(self, path, **query):
        return self.client.get(f"{self._base}/{path}", query_string=query)

    def call(self, path, method, **query):
        return self.client.open(f"{self._base}/{path}", method=method, query_string=query)


class _Listed:
    """A data provider that lists runs without event files."""

    def __init__(self, names):
        self._names = tuple(names)

    def list_tensors(self, _context, *, experiment_id, plugin_name):  # noqa: ARG002
        return dict.fromkeys(self._names)


def served(logdir, names):
    """A client of our routes in TensorBoard's WSGI application, for runs without event files."""
    provider = _Listed(names)
    flags = argparse.Namespace(attn_monitor_cache_mb=8)
    context = TBContext(data_provider=provider, logdir=str(logdir), multiplexer=None, flags=flags)
    return Client(TensorBoardWSGI([Loader().load(context)], "", provider))
