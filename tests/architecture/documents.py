"""Reads the documents: their links, their tables, and the commands that they show."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<language>\w*)[ ]?(?P<info>.*)\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is where its text begins."""

    path: Path
    line: int
    language: str
    info: str
    text: str


def documents() -> list[Path]:
    """Return what people read."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path: Path, text: str) -> list[Block]:
    """Return the fenced blocks of a document in order."""
    return [
        Block(
            path=path,
            line=text.count("\n", 0, found.start("text")) + 1,
            language=found["language"],
            info=found["info"],
            text=found["text"],
        )
        for found in FENCE.finditer(text)
    ]


def anchors(text: str) -> set[str]:
    """Return the names by which a link reaches the headings of a document."""
    return {
        re.sub(r"[^\w\- ]", "", found["text"].lower()).replace(" ", "-")
        for found in HEADING.finditer(FENCE.sub("", text))
    }


def broken_links(path: Path, text: str) -> Iterator[str]:
    """Yield links that lead to no file or heading of the repository; the web is not asked."""
    for found in LINK.finditer(FENCE.sub("", text)):
        target, _, anchor = found["target"].partition("#")
        if "://" in target or target.startswith(("mailto:", "/")):
            continue
        file = (path.parent / target).resolve() if target else path
        inside = file.exists() and file.is_relative_to(ROOT)
        if not inside or (anchor and anchor not in anchors(text if file == path else read(file))):
            yield found["target"]


def read(file: Path) -> str:
    """Return the text of a file; a folder has no headings."""
    return file.read_text() if file.is_file() else ""


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below a second-level heading, without its head."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
