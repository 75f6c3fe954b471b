"""Makes the file system of a tiny image, as a tar file: this Python with the libraries that it needs, and a server.

`python rootfs.py FILE`: no registry, no package mirror, under a second.
"""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

SKIPPED = {"test", "tests", "idlelib", "turtledemo", "site-packages", "dist-packages", "__pycache__", "ensurepip"} | {
    "tkinter",
    "lib2to3",
    "pydoc_data",
    "unittest",
}
DIRECTORIES = ("app", "dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "var")


def wanted(item: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Of the standard library, what runs."""
    path = Path(item.name)
    return None if path.name in SKIPPED or path.name.startswith("config-") or path.suffix == ".a" else item


def libraries(*programs: Path) -> set[str]:
    """The shared libraries that these load, and the loader."""
    texts = (subprocess.run(["ldd", path], check=False, capture_output=True, text=True).stdout for path in programs)
    return {path for text in texts for path in re.findall(r"(/\S+) \(0x", text)}


def main(target: str) -> None:
    """Write the tar file."""
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    with tarfile.open(target, "w") as tar:
        for directory in DIRECTORIES:
            item = tarfile.TarInfo(directory)
            item.type, item.mode = tarfile.DIRTYPE, 0o1777 if directory == "tmp" else 0o755
            tar.addfile(item)
        for library in sorted(libraries(python, *standard.glob("lib-dynload/*.so"))):
            tar.add(os.path.realpath(library), library.lstrip("/"))
        tar.add(python, str(python).lstrip("/"))
        tar.add(standard, str(standard).lstrip("/"), filter=wanted)
        if python != Path("/usr/bin/python3"):
            link = tarfile.TarInfo("usr/bin/python3")
            link.type, link.linkname = tarfile.SYMTYPE, str(python)
            tar.addfile(link)
        tar.add(Path(__file__).with_name("server.py"), "app/server.py")


if __name__ == "__main__":
    main(sys.argv[1])
