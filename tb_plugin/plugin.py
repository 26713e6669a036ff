"""The tab as TensorBoard sees it: its name, its routes, and whether it has something to show."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from wsgiref.types import WSGIApplication

from tensorboard import errors, plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from attn_monitor.store import Run
from tb_plugin.metadata import DEFAULT_CACHE_MB, PLUGIN_NAME
from tb_plugin.server.ahead import Ahead
from tb_plugin.server.describe import dump_json
from tb_plugin.server.http import BYTES, JSON, Handler, respond, route
from tb_plugin.server.index import RunIndex
from tb_plugin.server.origin import HOSTS_VARIABLE, Guard
from tb_plugin.server.params import required
from tb_plugin.server.readers import Readers
from tb_plugin.server.returned_memory import Returns, use_few_areas
from tb_plugin.server.routes import ROUTES, answer_newest, query_step
from tb_plugin.server.rundirs import RunDirs
from tb_plugin.server.static import static_file


class AttentionPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # tensorboard ships no types
    """The Attention tab: what TensorBoard asks of it; the work is done in ``server/``."""

    plugin_name = PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._data_provider = context.data_provider
        self._index = RunIndex(RunDirs(context.logdir, context.multiplexer))
        megabytes = getattr(context.flags, "attn_monitor_cache_mb", DEFAULT_CACHE_MB)
        self._guard = Guard(
            listens=getattr(context.flags, "host", None),
            everywhere=bool(getattr(context.flags, "bind_all", False)),
            allowed=_names(getattr(context.flags, "attn_monitor_hosts", None)),
        )
        self._readers = Readers(int(megabytes) * 10**6)
        self._ahead = Ahead()
        use_few_areas()
        self._returns = Returns()

    def get_plugin_apps(self) -> Mapping[str, WSGIApplication]:
        """Return the routes; ``http_api.md`` describes each."""
        handlers: dict[str, Handler] = {
            "/index": self.index_route,
            **{f"/{name}": partial(self._about_run, name) for name in ROUTES},
            "/static/*": self.static_route,
        }
        return {name: route(handler, self._guard) for name, handler in handlers.items()}

    def is_active(self) -> bool:
        """Return ``False``: TensorBoard shows the tab by itself once it has seen a marker."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return where the page starts and what the tab is called."""
        return base_plugin.FrontendMetadata(es_module_path="/static/index.js", tab_name="Attention")

    def index_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/index``: all runs, and versions that say what changed."""
        body = dump_json(self._index.index(self._list_runs(request)))
        self._ahead.begin()  # somebody looks at the page
        return respond(request, body, JSON)

    def static_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/static/*``: a file of the front end."""
        name = request.path.partition("/static/")[2]
        file = static_file(name)
        if file is None:
            raise errors.NotFoundError("no such file in the front end")
        return respond(request, file.content, file.content_type, keep=file.immutable)

    def _about_run(self, name: str, request: wrappers.Request) -> wrappers.Response:
        """Answer a question about one run."""
        one = ROUTES[name]
        self._ahead.begin()
        query = one.read(request.args)
        run = self._run(request, fresh=one.changes == "run")
        if one.changes == "step" and query_step(query) not in run.steps:
            run = self._run(request, fresh=True)
        look = partial(self._run, request, fresh=True)
        body, run = answer_newest(name, self._readers, run, query, newest=look)
        self._returns.answered()
        keep = one.changes == "step" and request.args.get("v") == run.writing(query_step(query))
        return respond(request, body, BYTES if one.form == "frame" else JSON, keep=keep)

    def _run(self, request: wrappers.Request, *, fresh: bool) -> Run:
        name = required(request.args, "run")
        return self._index.run(name, self._list_runs(request), fresh=fresh)

    def _list_runs(self, request: wrappers.Request) -> Callable[[], tuple[str, ...]]:
        context = plugin_util.context(request.environ)
        experiment = plugin_util.experiment_id(request.environ)

        def list_runs() -> tuple[str, ...]:
            markers: Mapping[str, object] = self._data_provider.list_tensors(
                context, experiment_id=experiment, plugin_name=PLUGIN_NAME
            )
            return tuple(markers)

        return list_runs


def _names(flag: str | None) -> tuple[str, ...]:
    """Return the further names under which TensorBoard is reached, as it was told."""
    told = f"{flag or ''},{os.environ.get(HOSTS_VARIABLE, '')}"
    return tuple(name.strip() for name in told.split(",") if name.strip())
