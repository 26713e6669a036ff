"""Serves the front end's files: exactly those in the bundle, looked up, never joined from a URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from attn_monitor.core.errors import ConfigurationError

BUNDLE: Final = Path(__file__).resolve().parent.parent / "static"
ENTRY: Final = "index.js"
OFFLINE: Final = "offline.js"  # the tab in one script, for files that are opened from a disk
NOTEBOOK: Final = "notebook.js"  # the module of the notebook's widget
# Windows' registry may know other types, and with `nosniff` a wrong one stops the page.
TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
}
NOT_BUILT: Final = (
    b"export function render() { document.body.textContent = 'The front end of Attention Monitor "
    b"is missing from this installation. Reinstall attn-monitor, or run `npm ci && npm run build` "
    b"in tb_plugin/frontend of a checkout.'; }\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file of the bundle.

    Attributes:
        content: Its bytes.
        content_type: Its media type.
        immutable: Its name changes with its content, so browsers may keep it.
    """

    content: bytes
    content_type: str
    immutable: bool


def static_file(name: str, *, bundle: Path = BUNDLE) -> StaticFile | None:
    """Return a file of the bundle, or ``None`` if the bundle has no such file.

    Args:
        name: Path inside the bundle, with ``/``.
        bundle: Where the bundle is.
    """
    path = _files(bundle).get(name)
    if path is None:
        if name == ENTRY:
            return StaticFile(content=NOT_BUILT, content_type=TYPES[".js"], immutable=False)
        return None
    return StaticFile(
        content=path.read_bytes(),
        content_type=TYPES[path.suffix],
        immutable=name != ENTRY,
    )


def whole_script(name: str, *, bundle: Path = BUNDLE) -> bytes:
    """Return a script that is not served: the one of pages, or the one of the notebook's widget.

    Raises:
        ConfigurationError: This installation has no front end.
    """
    path = bundle / name
    if not path.is_file():
        raise ConfigurationError(
            f"the front end is missing from this installation ({name}); reinstall attn-monitor, "
            "or run `npm ci && npm run build` in tb_plugin/frontend of a checkout"
        )
    return path.read_bytes()


def _files(bundle: Path) -> dict[str, Path]:
    # Listed at each request: a handful of files, and a rebuilt bundle shows without a restart.
    return {
        path.relative_to(bundle).as_posix(): path
        for path in bundle.rglob("*")
        if path.suffix in TYPES and path.is_file() and not path.is_symlink()
        if path.name not in {OFFLINE, NOTEBOOK}
    }
