"""The tab as TensorBoard sees it: its name, its routes, and whether it has something to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING
from wsgiref.types import WSGIApplication

from tensorboard import errors, plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from attn_monitor.store import Run
from tb_plugin.loader import DEFAULT_CACHE_MB, PLUGIN_NAME
from tb_plugin.server.arrays import MapReader, metrics_frame
from tb_plugin.server.describe import describe_classes, describe_run, dump_json, step_version
from tb_plugin.server.http import BYTES, JSON, respond, route
from tb_plugin.server.index import RunIndex
from tb_plugin.server.params import integer, map_query, optional_integer, required, split
from tb_plugin.server.rundirs import RunDirs
from tb_plugin.server.static import static_file

if TYPE_CHECKING:
    from tb_plugin.server.analyses import Analyses


class AttentionPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # tensorboard ships no types
    """The Attention tab. Each ``*_route`` reads a request; the work is done in ``server/``."""

    plugin_name = PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._data_provider = context.data_provider
        self._index = RunIndex(RunDirs(context.logdir, context.multiplexer))
        megabytes = getattr(context.flags, "attn_monitor_cache_mb", DEFAULT_CACHE_MB)
        self._maps = MapReader(int(megabytes) * 10**6)

    def get_plugin_apps(self) -> Mapping[str, WSGIApplication]:
        """Return the routes; ``http_api.md`` describes each."""
        return {
            "/index": route(self.index_route),
            "/run": route(self.run_route),
            "/attention": route(self.attention_route),
            "/metrics": route(self.metrics_route),
            "/classes": route(self.classes_route),
            "/piles": route(self.piles_route),
            "/lens": route(self.lens_route),
            "/elbow": route(self.elbow_route),
            "/joint": route(self.joint_route),
            "/over_time": route(self.over_time_route),
            "/topology": route(self.topology_route),
            "/curves": route(self.curves_route),
            "/signals": route(self.signals_route),
            "/static/*": route(self.static_route),
        }

    def is_active(self) -> bool:
        """Return ``False``: TensorBoard shows the tab by itself once it has seen a marker."""
        return False

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return where the page starts and what the tab is called."""
        return base_plugin.FrontendMetadata(es_module_path="/static/index.js", tab_name="Attention")

    def index_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/index``: all runs, and versions that say what changed."""
        return respond(request, dump_json(self._index.index(self._list_runs(request))), JSON)

    def run_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/run``: everything about one run but its arrays."""
        run = self._run(request, fresh=True)
        description = describe_run(run, required(request.args, "run"))
        return respond(request, dump_json(description), JSON)

    def attention_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/attention``: maps of one step, part and probe."""
        query = map_query(request.args)
        run = self._run_with(request, query.step)
        frame = self._maps.frame(run, query)
        return respond(request, frame, BYTES, keep=_names_version(request, run, query.step))

    def metrics_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/metrics``: every metric at every step."""
        part = required(request.args, "part")
        probe = optional_integer(request.args, "probe")
        frame = metrics_frame(
            self._run(request, fresh=True), part=part, probe=probe, split=split(request.args)
        )
        return respond(request, frame, BYTES)

    def classes_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/classes``: a sentence's class scores and what every token adds to them."""
        probe = integer(request.args, "probe")
        return self._compute(
            request,
            lambda run, args: dump_json(
                describe_classes(run, step=integer(args, "step"), probe=probe)
            ),
        )

    def piles_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/piles``: merge trees of every layer's heads."""
        return self._compute(request, self._analyses.piles)

    def lens_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/lens``: what one head's queries and keys stand for."""
        return self._compute(request, self._analyses.lens)

    def elbow_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/elbow``: how many clusters a lens should have."""
        return self._compute(request, self._analyses.elbow)

    def joint_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/joint``: a head's queries and keys on one plane for all steps."""
        run = self._run_with(request, integer(request.args, "step"))
        return respond(request, self._analyses.joint(run, request.args), JSON)

    def over_time_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/over_time``: the steps of a head in piles."""
        run = self._run(request, fresh=True)
        return respond(request, self._analyses.over_time(run, request.args), JSON)

    def topology_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/topology``: the shape of one head's attention on one sentence."""
        return self._compute(request, self._analyses.topology)

    def curves_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/curves``: metrics of training and validation sentences over all steps."""
        run = self._run(request, fresh=True)
        return respond(request, self._analyses.curves(run, request.args), JSON)

    def signals_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/signals``: what a run shows about memorisation, and how far to trust it."""
        run = self._run(request, fresh=True)
        return respond(request, self._analyses.signals(run), JSON)

    def static_route(self, request: wrappers.Request) -> wrappers.Response:
        """Answer ``/static/*``: a file of the front end."""
        name = request.path.partition("/static/")[2]
        file = static_file(name)
        if file is None:
            raise errors.NotFoundError("no such file in the front end")
        return respond(request, file.content, file.content_type, keep=file.immutable)

    @cached_property
    def _analyses(self) -> Analyses:
        from tb_plugin.server.analyses import Analyses  # noqa: PLC0415 - see its docstring

        return Analyses()

    def _compute(
        self, request: wrappers.Request, compute: Callable[[Run, Mapping[str, str]], bytes]
    ) -> wrappers.Response:
        step = integer(request.args, "step")
        run = self._run_with(request, step)
        body = compute(run, request.args)
        return respond(request, body, JSON, keep=_names_version(request, run, step))

    def _run_with(self, request: wrappers.Request, step: int) -> Run:
        """Return the run, looking for new steps only if it does not have the one asked for."""
        run = self._run(request, fresh=False)
        return run if step in run.steps else self._run(request, fresh=True)

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


def _names_version(request: wrappers.Request, run: Run, step: int) -> bool:
    """Return whether the address names the step's maps for good: browsers may keep the reply."""
    return request.args.get("v") == step_version(run, step)
