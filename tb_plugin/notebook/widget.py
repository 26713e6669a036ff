"""The widget itself: passes questions of the page on, whichever notebook shows it."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from tb_plugin.notebook.answers import Answers
from tb_plugin.server.static import NOTEBOOK, whole_script

_LAST_SENDER = "_reply_subshell_id"


class RunWidget(anywidget.AnyWidget):
    """One run in a frame below a cell.

    Neither the page nor anything that was recorded becomes part of the notebook's file.
    """

    _esm = whole_script(NOTEBOOK).decode("utf-8")
    height = traitlets.Int(800).tag(sync=True)

    def __init__(self, answers: Answers, *, height: int) -> None:
        super().__init__(height=height)
        self._answers = answers
        self.on_msg(self._asked)
        # ipykernel 7.4 hands questions to the shell that sent last, here the one whose cell runs,
        # not to the one that the notebook chose: nobody would answer before the cell ends.
        if hasattr(self.comm, _LAST_SENDER):
            delattr(self.comm, _LAST_SENDER)

    def _asked(self, _widget: object, content: Any, _buffers: object) -> None:  # noqa: ANN401
        if not isinstance(content, dict) or not {"to", "id", "question"} <= set(content):
            return
        packed, message = self._answers.reply(content["question"])
        told = {"to": content["to"], "id": content["id"], "message": message}
        self.send(told, buffers=[] if packed is None else [packed])
