"""Which requests are answered: those of the address TensorBoard listens on, made by its own page.

A page of another site can have a browser ask us: by name, after its own name was pointed to this
machine (the Host then is that name), or across sites (``Sec-Fetch-Site``, ``Origin``). It must not
read what was recorded here.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

HOSTS_FLAG = "--attn_monitor_hosts"
HOSTS_VARIABLE = "ATTN_MONITOR_HOSTS"
EVERYONE = "*"
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - addresses to compare with, not to listen on


class Guard:
    """Says which requests are refused, and why.

    Args:
        listens: The address TensorBoard was told to listen on; ``None`` for this machine alone.
        everywhere: It listens on every address of this machine.
        allowed: Further names under which it is reached: a proxy's, say; ``*`` for any.
    """

    def __init__(
        self, *, listens: str | None = None, everywhere: bool = False, allowed: Sequence[str] = ()
    ) -> None:
        self._open = EVERYONE in allowed
        self._everywhere = everywhere or listens in _EVERYWHERE
        self._names = {_plain(name) for name in (*allowed, listens or "") if name}
        if self._everywhere:
            self._names |= {_plain(socket.gethostname()), _plain(socket.getfqdn())}

    def refusal(self, environ: Mapping[str, object]) -> str | None:
        """Return why a request is refused, or ``None`` for one that is answered."""
        if self._open:
            return None
        host = environ.get("HTTP_HOST")
        if isinstance(host, str) and not self._knows(host):
            return (
                f"TensorBoard does not listen on {host[:200]!r}, so the Attention tab does not "
                f"answer under that name. If a proxy or a tunnel of yours is called so, start "
                f"TensorBoard with {HOSTS_FLAG} {_plain(host)[:200]} or set {HOSTS_VARIABLE}"
            )
        site, origin = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_ORIGIN")
        if site is not None:
            foreign = site not in {"same-origin", "none"}
        else:
            foreign = isinstance(origin, str) and not self._same(origin, host)
        if foreign:
            return (
                f"a page of another site ({origin or site}) asked for a recording; only "
                f"TensorBoard's own page is answered. {HOSTS_FLAG} {EVERYONE} allows every page"
            )
        return None

    def _knows(self, host: str) -> bool:
        name = _plain(host)
        if name == "localhost" or name.endswith(".localhost") or name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # A browser reaches a number without asking anybody: no name can be pointed at it.
        return address.is_loopback or self._everywhere

    def _same(self, origin: str, host: object) -> bool:
        try:
            found = urlsplit(origin).netloc.lower()
        except ValueError:
            return False
        return bool(found) and (found == str(host).lower() or _plain(found) in self._names)


def _plain(host: str) -> str:
    """Return a host without port, brackets and the dot that may end it, in lower case."""
    text = host.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    name, colon, port = text.rpartition(":")
    plain = name if colon and port.isdecimal() and ":" not in name else text
    return plain.rstrip(".")
