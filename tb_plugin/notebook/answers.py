"""Answers the tab's questions about one run inside the notebook's own process."""

from __future__ import annotations

import logging
import zlib
from functools import cached_property
from io import BytesIO
from urllib.parse import parse_qsl

from tensorboard import errors

from attn_monitor.core.errors import AttnMonitorError
from attn_monitor.store import Run
from tb_plugin.metadata import DEFAULT_CACHE_MB
from tb_plugin.offline.page import PageWriter, script
from tb_plugin.server.describe import dump_json
from tb_plugin.server.index import describe_entry, describe_index
from tb_plugin.server.readers import Readers
from tb_plugin.server.routes import ROUTES, answer_newest, query_step

logger = logging.getLogger(__name__)

PAGE = "page"


class Answers:
    """Answers in the words of ``http_api.md``, about one run; safe to use from several threads.

    Args:
        run: The recording; it is followed without moving the caller's.
        name: What it is called on screen.
    """

    def __init__(self, run: Run, name: str) -> None:
        self._following = run.snapshot()
        self._name = name
        self._readers = Readers(DEFAULT_CACHE_MB * 10**6)

    def reply(self, question: object) -> tuple[bytes | None, str | None]:
        """Return the deflated answer to a question such as ``run?run=airline``, or why not.

        Args:
            question: Whatever a notebook sent.
        """
        if not isinstance(question, str):
            return None, f"a question is text, got {type(question).__name__}"
        try:
            return zlib.compress(self._answer(question), 1), None
        except (AttnMonitorError, errors.PublicError) as error:
            return None, str(error)
        except Exception as error:  # a fault of ours must not end up in somebody's cell
            logger.exception("The Attention view could not answer %.200r", question)
            return None, f"the kernel could not answer: {type(error).__name__}: {error}"

    def _answer(self, question: str) -> bytes:
        name, _, parameters = question.partition("?")
        if name == PAGE:
            return self._page
        if name == "index":
            return dump_json(describe_index([describe_entry(self._name, self._newest())]))
        if name not in ROUTES:
            raise errors.NotFoundError(f"there is no question {name[:40]!r}")
        query = ROUTES[name].read(dict(parse_qsl(parameters, keep_blank_values=True)))
        known = self._following.snapshot()
        if ROUTES[name].changes == "run" or query_step(query) not in known.steps:
            known = self._newest()
        return answer_newest(name, self._readers, known, query, newest=self._newest)[0]

    def _newest(self) -> Run:
        self._following.refresh()
        return self._following.snapshot()

    @cached_property
    def _page(self) -> bytes:
        file = BytesIO()
        PageWriter(file, script()).finish()
        return file.getvalue()
