"""README.md and docs/workflow.md followed by a new user on a fresh Debian, with the network. Standard library alone.

tests/container/newcomer.sh runs it in a container: `newcomer.py REPOSITORY` as that user, in an empty home directory.
It prints each command and what comes of it; the first thing that is not as README says ends it with exit code 1.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, STDOUT

LONGEST = 1200
"""Seconds that a command may take; installing does."""
PORT = 8765


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of a document that are in this language; those without one are in ""."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for named, block in found if named == language]


def commands(block: str) -> list[str]:
    """The commands of a block of shell, one a line, without comments."""
    return [line for raw in block.splitlines() if (line := re.sub(r"(^|\s+)#.*", "", raw).rstrip())]


def shell(line: str, cwd: Path | None = None) -> str:
    """What a command line prints; it has to succeed."""
    print(f"$ {line}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-ec", line], check=False, cwd=cwd, stdout=PIPE, stderr=STDOUT, text=True, timeout=LONGEST
    )
    print(f"{done.stdout}({time.monotonic() - began:.0f} s)\n", flush=True)
    if done.returncode:
        sys.exit(f"newcomer: exit code {done.returncode}: {line}")
    return done.stdout


def expect(holds: object, what: str) -> None:
    """End the run where that does not hold."""
    if not holds:
        sys.exit(f"newcomer: {what}")


def started(line: str, directory: Path, until: str) -> tuple[subprocess.Popen[str], str]:
    """A process that goes on, and what it printed until a line that begins with this text."""
    print(f"$ {line}", flush=True)
    began = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-ec", line],
        cwd=directory,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    printed = ""
    for text in process.stdout:
        print(text, end="", flush=True)
        printed += text
        if text.lstrip().startswith(until):
            break
    expect(until in printed, f"{line} ended: {process.poll()}")
    print(f"({time.monotonic() - began:.0f} s)\n", flush=True)
    return process, printed


def follow(repository: str) -> None:
    """README from its first command to Ctrl-C."""
    home = Path.home()
    readme = shell(f"git -C {repository} show HEAD:README.md > README.md; wc -l README.md", home) and (
        home / "README.md"
    ).read_text("utf-8")
    start, steer, _ = blocks(readme, "sh")
    [greeting] = blocks(readme, "")
    clone, cd, run = commands(start)
    shell(clone.replace("REPOSITORY", repository), home)
    directory = home / cd.removeprefix("cd ")
    process, printed = started(run, directory, "Next: ")
    try:
        *_, shown = printed.partition("yamcp-hub is ready.")
        expect("yamcp-hub is ready." + shown == greeting, "make run does not print what README shows")
        said = [shell(line, directory) for line in commands(steer)]
        expect("Nothing is wrong." in said[1], "hubctl doctor finds something wrong")
        programs(readme, home)
        workflow((directory / "docs/workflow.md").read_text("utf-8"), directory)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read() if process.stdout else ""
        print(f"^C\n{rest}", flush=True)
        process.wait(60)
    expect("yamcp-hub has stopped." in rest, "Ctrl-C does not end the hub")


def programs(readme: str, home: Path) -> None:
    """Each program, after the line that installs what it needs, in an environment of its own."""
    installs = re.findall(r"`(pip install [^`]*)`", readme)
    for install, program in zip(installs, blocks(readme, "python"), strict=True):
        name = re.sub(r"\W.*", "", install.removeprefix("pip install ").strip("'"))
        environment = home / f"{name}-env"
        shell(f"python3 -m venv {environment}; PATH={environment}/bin:$PATH; {install} --quiet")
        (home / f"{name}-program.py").write_text(program, "utf-8")
        said = shell(f"{environment}/bin/python {home}/{name}-program.py")
        expect("'notes_add_note'" in said and "'clock_now'" in said, f"the program for {name} lists other tools")


def workflow(guide: str, directory: Path) -> None:
    """The lines of hubctl in the workflow guide, one after the other; npx downloads the server that they add."""
    os.environ["PATH"] = f"{directory}/.venv/bin:{os.environ['PATH']}"
    said = {line: shell(line, directory) for block in blocks(guide, "sh") for line in commands(block)}
    [listed] = [text for line, text in said.items() if "files_list_directory" in line]
    expect("a.txt" in listed, "the server that was added does not list /srv/data")


if __name__ == "__main__":
    follow(sys.argv[1])
    print("newcomer: all as README.md and docs/workflow.md say")
