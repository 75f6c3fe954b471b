"""Loads an MCP bundle, checks its digest, and unpacks it: `python unpack.py SOURCE SHA256 FOLDER`.

The last line that it prints says why it failed. Standard library only: it is a process of its own, which ends with its
job. SOURCE is an https:// address, or the absolute path of a file; FOLDER does not exist yet.
"""

import hashlib
import resource
import shutil
import stat
import sys
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

MAX_BUNDLE, MAX_UNPACKED, MAX_MEMORY = 256 << 20, 1 << 30, 2 << 30
"""Bytes of a bundle, of all its files, and of the memory of this process."""
MAX_FILES = 100_000
CHUNK = 1 << 20
TIMEOUT_SECONDS = 30.0
"""For each wait for the server; the job has a limit of its own."""


class SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https:// alone."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """See HTTPRedirectHandler."""
        if not newurl.lower().startswith("https://"):
            raise ValueError("it is redirected to an address that is not https://")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def load(source: str, bundle: Path) -> str:
    """Write the bundle to a file; returns its SHA-256 (hex). Raises OSError, ValueError."""
    opener, digest = urllib.request.build_opener(SecureRedirects), hashlib.sha256()
    stream = open(source, "rb") if source.startswith("/") else opener.open(source, timeout=TIMEOUT_SECONDS)  # noqa: PTH123, SIM115
    with stream, bundle.open("xb") as file:
        while chunk := stream.read(CHUNK):
            if file.tell() + len(chunk) > MAX_BUNDLE:
                raise ValueError(f"it has over {MAX_BUNDLE >> 20} MiB")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def unpack(bundle: Path, folder: Path) -> None:
    """Unpack regular files and folders, and nothing that leads out of `folder`. Raises OSError, ValueError, and as
    zipfile does."""
    with zipfile.ZipFile(bundle) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_UNPACKED:
            raise ValueError(f"it has over {MAX_FILES:,} files, or {MAX_UNPACKED >> 20} MiB of them")
        for entry in entries:
            path, mode = PurePosixPath(entry.filename), entry.external_attr >> 16
            plain = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
            if not plain or path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
                raise ValueError(f"its entry {entry.filename!r} is a link, or leads out of its folder")
            (folder / path if entry.is_dir() else (folder / path).parent).mkdir(mode=0o700, parents=True, exist_ok=True)
            if not entry.is_dir():
                with archive.open(entry) as packed, (folder / path).open("xb") as file:
                    shutil.copyfileobj(packed, file)
                (folder / path).chmod(0o700 if mode & stat.S_IXUSR else 0o600)


def install(source: str, wanted: str, folder: Path) -> None:
    """Make the folder, with the content of the bundle. Raises OSError, ValueError, and as zipfile does."""
    folder.mkdir(mode=0o700, parents=True)
    bundle = folder / ".mcpb"
    if (found := load(source, bundle)) != wanted:
        raise ValueError(f"its SHA-256 is {found}, and not that of its entry")
    unpack(bundle, folder)
    bundle.unlink()


def main(source: str, wanted: str, folder: str) -> int:
    """Returns the exit status."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    try:
        install(source, wanted, Path(folder))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
