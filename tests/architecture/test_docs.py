"""What the documents show works: every command is run, every link leads somewhere."""

from pathlib import Path

import pytest

from tests.architecture import documents, shell
from tests.architecture.documents import ROOT, blocks
from tests.architecture.shell import Step

pytestmark = pytest.mark.slow

DOCUMENTS = documents.documents()


def steps_of(path: Path) -> list[Step]:
    """Return everything that a reader of this document types."""
    return [step for block in blocks(path, path.read_text()) for step in shell.steps(block)]


SHOWS_COMMANDS = [path for path in DOCUMENTS if steps_of(path)]


def name(path: Path) -> str:
    """Return the path as a reader knows it."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.docs
@pytest.mark.parametrize(
    "path",
    # the page about capacity measures, and says so when it could not
    [
        pytest.param(path, marks=[pytest.mark.alone] if path.stem == "capacity" else [])
        for path in SHOWS_COMMANDS
    ],
    ids=name,
)
def test_every_command_of_the_document_works(path, reader, tmp_path):
    faults = shell.run(steps_of(path), tmp_path, reader)
    assert not faults, "\n".join(f"{name(path)}, {fault}" for fault in faults)


def test_the_guides_show_commands():
    guides = {"README.md", "docs/integrate.md", "docs/operate.md", "docs/audit.md"}
    assert guides <= {name(path) for path in DOCUMENTS}
    assert guides - {"README.md"} <= {name(path) for path in SHOWS_COMMANDS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_the_links_of_the_document_lead_somewhere(path):
    assert list(documents.broken_links(path, path.read_text())) == []


@pytest.mark.parametrize(
    "text", ["[a](no-such-file.md)", "[a](#no-such-heading)", "[a](../../../etc/passwd)"]
)
def test_a_broken_link_would_be_found(text):
    assert list(documents.broken_links(ROOT / "docs/page.md", text))


def test_a_link_to_a_heading_is_followed():
    text = "# What it is\n[up](#what-it-is) [out](https://example.com) [home](../README.md)\n"
    assert list(documents.broken_links(ROOT / "docs/dependencies.md", text)) == []


SESSION = """
```python hello.py
print("one")
print("two")
```

```bash
answer=42
```

```console
$ python3 hello.py
one
…
$ echo "$answer is \\
> the answer"
42 is the answer
```

```json
{"not": "run"}
```

```bash
script/server --port 8443
```
"""


def test_a_document_is_one_session(tmp_path, path_only):
    todo = [step for block in blocks(ROOT / "x.md", SESSION) for step in shell.steps(block)]
    assert [step.line for step in todo] == [3, 8, 12, 15]
    assert shell.run(todo, tmp_path, path_only) == []


@pytest.mark.parametrize(
    "step",
    [Step(7, "false\n"), Step(7, "echo yes\n", "no\n"), Step(7, "cat no-such-file | sort\n")],
)
def test_a_command_that_does_not_do_what_it_says_would_be_found(step, tmp_path, path_only):
    faults = shell.run([Step(1, "true\n"), step, Step(9, "true\n")], tmp_path, path_only)
    assert len(faults) == 1
    assert faults[0].startswith("line 7: ")
