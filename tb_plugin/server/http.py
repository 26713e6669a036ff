"""What every route shares: GET only, bounded queries, our errors as plain text, caching."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from tensorboard import errors
from tensorboard.backend import http_util
from werkzeug import wrappers

from attn_monitor.core.errors import AttnMonitorError
from tb_plugin.server.origin import Guard
from tb_plugin.server.params import LONGEST_QUERY

BYTES = "application/octet-stream"
JSON = "application/json"
TEXT = "text/plain"
MONTH = 30 * 24 * 3600

Handler = Callable[[wrappers.Request], wrappers.Response]


def route(handler: Handler, guard: Guard) -> WSGIApplication:
    """Return a handler as a WSGI application that answers GET of its own page and nothing else.

    Errors of the store become 404 with their message; TensorBoard turns its own error types into
    400 and 404. Both travel as text/plain, so that nothing in them can be taken for markup.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = wrappers.Request(environ)
        why_not = guard.refusal(environ)
        if why_not is not None:
            refused: wrappers.Response = http_util.Respond(request, why_not, TEXT, code=403)
            return refused(environ, start_response)
        return _answer(handler, request)(environ, start_response)

    return application


def respond(
    request: wrappers.Request, content: bytes, content_type: str, *, keep: bool = False
) -> wrappers.Response:
    """Return a response.

    Args:
        request: What it answers.
        content: The body.
        content_type: Its media type.
        keep: The address identifies the content for good: browsers may keep it for a month.
    """
    response: wrappers.Response = http_util.Respond(
        request, content, content_type, expires=MONTH if keep else 0
    )
    return response


def _answer(handler: Handler, request: wrappers.Request) -> wrappers.Response:
    if request.method != "GET":
        refused: wrappers.Response = http_util.Respond(
            request, "only GET is answered here", TEXT, code=405, headers=[("Allow", "GET")]
        )
        return refused
    if len(request.query_string) > LONGEST_QUERY:
        raise errors.InvalidArgumentError(f"the query is longer than {LONGEST_QUERY} bytes")
    try:
        return handler(request)
    except AttnMonitorError as error:
        raise errors.NotFoundError(str(error)) from error
