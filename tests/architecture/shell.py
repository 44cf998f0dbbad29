"""Runs what a document shows, as its reader would: one shell from the first block to the last.

`bash` blocks have to succeed. `console` blocks are transcripts: `$ ` and `> ` begin what is
typed, the rest has to come out, where `…` stands for anything. A `python` block whose fence names
a file is that file.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.documents import Block

SEPARATOR = "\x1e"  # ASCII record separator: stands before the output of each step
TIMEOUT_S = 110
# What a document shows and another test runs: starting and installing the whole thing.
ELSEWHERE = {
    "script/bootstrap": "script/test begins with it",
    "script/server": "the fixture `appliance` is that",
    "script/test": "this is that",
    "script/lint": "tests/architecture/test_linters.py",
}


@dataclass(frozen=True)
class Step:
    """Something typed; `expected` is None when it only has to succeed."""

    line: int
    command: str
    expected: str | None = None


def steps(block: Block) -> list[Step]:
    """Return what a reader types of a block, without what runs elsewhere."""
    if block.language == "bash":
        found = [Step(block.line, block.text)]
    elif block.language == "console":
        found = _transcript(block)
    elif block.language == "python" and block.info:
        found = [Step(block.line, f"cat > {block.info} <<'END_OF_FILE'\n{block.text}END_OF_FILE\n")]
    else:
        found = []
    return [step for step in found if not runs_elsewhere(step.command)]


def runs_elsewhere(command: str) -> bool:
    """Tell whether every line of a command is one that another test runs."""
    lines = [line for line in command.splitlines() if line.strip() and line[0] != "#"]
    return all(line.split()[0] in ELSEWHERE for line in lines)


def _transcript(block: Block) -> list[Step]:
    found: list[Step] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            found.append(Step(number, line[2:] + "\n", ""))
        elif line.startswith("> "):
            last = found.pop()
            found.append(Step(last.line, last.command + line[2:] + "\n", ""))
        else:
            last = found.pop()
            found.append(Step(last.line, last.command, f"{last.expected}{line}\n"))
    return found


def run(todo: list[Step], cwd: Path, env: Mapping[str, str]) -> list[str]:
    """Run steps in one shell and return what went wrong, with the line of the document."""
    script = ["exec 2>&1", "set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for index, step in enumerate(todo):
        script += [f"printf '{SEPARATOR}{index}\\n'", step.command]
    result = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    outputs = [part.partition("\n")[2] for part in result.stdout.split(SEPARATOR)[1:]]
    faults = [
        f"line {step.line}: expected\n{step.expected}\nbut it said\n{said}"
        for step, said in zip(todo, outputs, strict=False)
        if step.expected and not matches(step.expected, said)
    ]
    if result.returncode != 0:
        stopped = todo[max(len(outputs) - 1, 0)]
        said = outputs[-1] if outputs else ""
        faults.append(f"line {stopped.line}: exit status {result.returncode}\n{said}")
    return faults


def matches(expected: str, said: str) -> bool:
    """Compare a transcript with what came out; `…` stands for anything, also for lines."""
    pattern = re.escape(expected.strip()).replace("…", ".*?")
    return re.fullmatch(pattern, said.strip(), re.DOTALL) is not None
