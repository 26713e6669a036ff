"""The file itself: the tab's script beside the answers, one element each.

Nothing of a recording reaches the markup as it is: questions are percent-encoded and answers are
base64. The page's policy allows its own script, by its hash, and no request to anywhere.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from io import BufferedIOBase
from pathlib import Path
from typing import Final

from tb_plugin.offline.questions import Question
from tb_plugin.server.static import BUNDLE, OFFLINE, whole_script

_POLICY: Final = (
    "default-src 'none'; script-src 'sha256-{digest}'; style-src data: 'unsafe-inline'; "
    "font-src data:; img-src data: blob:; connect-src data:"
)
_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>Attention</title>
</head>
<body>
<noscript>This page draws attention maps with JavaScript, which is turned off here.</noscript>
"""
_ANSWER: Final = '<script type="application/octet-stream" data-question="{question}">'
_END: Final = b"</script>\n"


def script(bundle: Path = BUNDLE) -> bytes:
    """Return the tab's script as it may stand inside a page.

    Raises:
        ConfigurationError: This installation has no front end.
    """
    # Inside a script element only these two end or suspend it; both can only be in strings.
    code = whole_script(OFFLINE, bundle=bundle)
    return code.replace(b"</script", b"<\\/script").replace(b"<!--", b"<\\!--")


def page_bytes(count: int) -> int:
    """Return how many bytes an answer of ``count`` bytes takes in a page, at most."""
    deflated = count + 5 * (count // 16_000 + 1) + 6
    return 4 * (deflated // 3 + 1) + 400


class PageWriter:
    """Writes a page piece by piece, so that it never lies in memory as a whole."""

    def __init__(self, file: BufferedIOBase, code: bytes) -> None:
        self._file = file
        self._code = code
        self.size = len(code)
        digest = b64encode(hashlib.sha256(code).digest()).decode()
        self._write(_HEAD.format(policy=_POLICY.format(digest=digest)).encode("ascii"))

    def answer(self, question: Question, content: bytes) -> None:
        """Add the answer to a question."""
        text = question.text.replace("&", "&amp;")
        self._write(_ANSWER.format(question=text).encode("ascii"))
        self._write(b64encode(zlib.compress(content, 6)))
        self._write(_END)

    def finish(self) -> None:
        """Add the script, which needs all answers before it."""
        self._write(b'<script type="module">')
        self._file.write(self._code)
        self._write(b"</script>\n</body>\n</html>\n")

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self.size += len(content)
