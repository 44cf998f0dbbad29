"""House rules that no linter knows, each a function from source to findings.

A finding is one sentence. `RULES` apply to one file, `HOUSE_RULES` to all files together.
`test_tidy.py` runs them over the repository and proves on bad samples that each can fail.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400

BASE_OF_THE_HOSTS = "appliance/ansible/roles/base/"  # the name that every site's playbook has
GENERATED = {
    "sql/schema.sql",
    "requirements.lock",
    "requirements-appliance.lock",
    "requirements-dev.lock",
}
BANNED_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "base",
    "manager",
    "constants",
}
MONEY = ("rizzpay/core/money.py", "rizzpay/ledger/", "rizzpay/payments/", "rizzpay/gateways/")
MONEY_NAME = re.compile(r"(^|_)(amount|minor|fee|gst|balance|price)(_|$)")
SQL_START = re.compile(r"\s*(SELECT\s|INSERT INTO\s|UPDATE\s+rizzpay|DELETE FROM\s|WITH\s+\w+ AS)")
STAR = re.compile(r"\b(SELECT|RETURNING)\s+(\w+\.)?\*")
SHIPPED = ("rizzpay/", "appliance/", "capacity/")
SQL_ROOMS = ("rizzpay/infra/", "rizzpay/sandbox/", "appliance/", "tests/")
# Spelled in two halves, so that this file does not find itself.
LEFTOVER = re.compile(
    r"\b(" + "|".join(("FIX" + "ME", "TO" + "DO", "X" + "XX", "HA" + "CK")) + r")\b(?!\")"
)  # quoted, the third is ISO 4217's code of no currency
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(home|Users|works?|workspaces?)/[\w.-]+")


@dataclass(frozen=True)
class Source:
    """A file of the repository; `path` is relative to its root, with slashes."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        """Return the ending with its dot; scripts without one have ""."""
        return PurePosixPath(self.path).suffix

    @cached_property
    def tree(self) -> ast.Module:
        """Return the parsed file; of one that is not Python, an empty module."""
        return ast.parse(self.text) if self.suffix == ".py" else ast.Module([], [])

    @property
    def module(self) -> str:
        """Return the dotted name that imports this file."""
        parts = list(PurePosixPath(self.path).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


Findings = Iterator[str]


def lines_fit(source: Source) -> Findings:
    """No line is longer than 100 columns; a table row or a link of a document may be.

    HAProxy cannot continue a line, so its file is left alone.
    """
    if source.suffix == ".cfg":
        return
    for number, line in enumerate(source.text.splitlines(), 1):
        in_document = source.suffix == ".md" and (line.startswith("|") or "](" in line)
        if len(line) > COLUMNS_MAX and not in_document:
            yield f"line {number} has {len(line)} columns"


def files_are_short(source: Source) -> Findings:
    """A file has at most 400 lines: more is two ideas."""
    count = len(source.text.splitlines())
    if source.suffix in {".py", ".sql", ""} and count > FILE_LINES_MAX:
        yield f"{count} lines"


def functions_are_short(source: Source) -> Findings:
    """A function has at most 70 lines."""
    for function in _functions(source):
        count = (function.end_lineno or function.lineno) - function.lineno + 1
        if count > FUNCTION_LINES_MAX:
            yield f"{function.name} has {count} lines"


def names_say_something(source: Source) -> Findings:
    """No drawer for what has no home."""
    if source.path.startswith(BASE_OF_THE_HOSTS):
        return
    for part in PurePosixPath(source.path).parts:
        if PurePosixPath(part).stem in BANNED_NAMES:
            yield f"{part} is a drawer, not a home"


def nothing_is_left_over(source: Source) -> Findings:
    """No note to oneself: an open point is an issue."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if LEFTOVER.search(line):
            yield f"line {number} has a leftover"


def nothing_is_a_stub(source: Source) -> Findings:
    """Shipped code does what it says: no NotImplemented, no empty body.

    Empty may be what a Protocol declares and what only holds click commands together.
    """
    if not source.path.startswith(SHIPPED):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id.startswith("NotImplemented"):
            yield f"line {node.lineno}: {node.id}"
    ports = {
        id(function)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.dump(b) for b in node.bases)
        for function in node.body
    }
    for function in _functions(source):
        body = [part for part in function.body if not _is_text(part)]
        empty = all(isinstance(part, ast.Pass) or _is_ellipsis(part) for part in body)
        group = any("attr='group'" in ast.dump(part) for part in function.decorator_list)
        if empty and id(function) not in ports and not group:
            yield f"{function.name} does nothing"


def modules_say_what_they_are(source: Source) -> Findings:
    """Every Python file begins with a docstring; an empty __init__.py of tests need not."""
    if source.suffix == ".py" and source.text.strip() and not ast.get_docstring(source.tree):
        yield "no module docstring"


def stores_are_private(source: Source) -> Findings:
    """X.store is imported by the files of X and by nobody else."""
    if source.path.startswith("tests/"):
        return
    for module, line in _imports(source):
        owner, dot, name = module.rpartition(".")
        if dot and name == "store" and not f"{source.module}.".startswith(f"{owner}."):
            yield f"line {line}: {module} belongs to {owner}"


def sql_has_its_room(source: Source) -> Findings:
    """SQL stands in a store or in infra, in UPPERCASE constants."""
    if source.path.startswith(SQL_ROOMS) or source.path.endswith("/store.py"):
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Constant(value=str(text)) if SQL_START.match(text):
                yield f"line {node.lineno}: SQL outside a store"


def queries_name_their_columns(source: Source) -> Findings:
    """A query lists its columns."""
    if not source.path.startswith("rizzpay/"):
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.Constant(value=str(text)) if STAR.search(text):
                yield f"line {node.lineno}: a star instead of columns"


def money_is_whole(source: Source) -> Findings:
    """No float and no true division where money is."""
    if not source.path.startswith(MONEY):
        return
    for node in ast.walk(source.tree):
        match node:
            case ast.BinOp(op=ast.Div()):
                yield f"line {node.lineno}: a division that makes a float"
            case (
                ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="float"))
                | ast.arg(arg=name, annotation=ast.Name(id="float"))
            ) if MONEY_NAME.search(name):
                yield f"line {node.lineno}: {name} is a float"


def participants_do_not_commit(source: Source) -> Findings:
    """A function whose first parameter is `conn` takes part; the caller commits."""
    if not source.path.startswith("rizzpay/") or source.path.startswith("rizzpay/infra/"):
        return
    for function in _functions(source):
        if not function.args.args or function.args.args[0].arg != "conn":
            continue
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="conn"), attr=called)) if (
                    called in {"commit", "rollback"}
                ):
                    yield f"{function.name} calls conn.{called}"


def gevent_patches_at_the_door(source: Source) -> Findings:
    """Monkey-patching belongs to the entry points of the API and the worker."""
    doors = {"rizzpay/wsgi.py", "rizzpay/worker.py", "rizzpay/commands/work.py"}
    if source.path in doors or not source.path.startswith("rizzpay/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr == "patch_all":
            yield f"line {node.lineno}: patches behind the door"


def tests_are_sentences(source: Source) -> Findings:
    """The name of a test says what is true, in four words or more."""
    if not PurePosixPath(source.path).name.startswith("test_"):
        return
    for function in _functions(source):
        if function.name.startswith("test_") and function.name.count("_") < 3:
            yield f"{function.name} says too little"


def no_machine_is_named(source: Source) -> Findings:
    """No path of somebody's machine: the repository works anywhere."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := MACHINE_PATH.search(line):
            yield f"line {number}: {found.group()}"


def _is_of_a_role(source: Source, named: str) -> bool:
    """Ansible finds filters by their place, and a role's file by the name that its task says."""
    path = PurePosixPath(source.path)
    if not path.is_relative_to("appliance/ansible/roles"):
        return False
    return path.parent.name == "filter_plugins" or f" {path.name} " in named


RUN_BY_THE_SERVICE = ("tests/compliance/plugin.py",)  # by `rizzpay compliance run`


def no_module_is_dead(sources: list[Source]) -> Findings:
    """Every shipped module is imported, started by name or path, or a `__main__`."""
    shipped = {s.module: s for s in sources if s.suffix == ".py" and s.path.startswith(SHIPPED)}
    named = "\n".join(s.text for s in sources if not s.path.startswith(("tests/", "docs/")))
    runs = [*shipped.values(), *(s for s in sources if s.path in RUN_BY_THE_SERVICE)]
    alive = {module for s in runs for module, _ in _imports(s) if module != s.module}
    for module in sorted(shipped):
        if module.endswith("__main__") or module in alive:
            continue
        if any(other.startswith(module + ".") for other in shipped):
            continue
        if _is_of_a_role(shipped[module], named):
            continue
        spellings = f"{re.escape(module)}|{re.escape(shipped[module].path)}"
        # a class of it may be named too: gunicorn finds its worker by such a name
        if not re.search(rf"[\"' =]({spellings})(\.[A-Z]\w+)?[\"':\s]", named):
            yield f"{module} is imported by nobody"


RULES: tuple[Callable[[Source], Findings], ...] = (
    lines_fit,
    files_are_short,
    functions_are_short,
    names_say_something,
    nothing_is_left_over,
    nothing_is_a_stub,
    modules_say_what_they_are,
    stores_are_private,
    sql_has_its_room,
    queries_name_their_columns,
    money_is_whole,
    participants_do_not_commit,
    gevent_patches_at_the_door,
    tests_are_sentences,
    no_machine_is_named,
)
HOUSE_RULES: tuple[Callable[[list[Source]], Findings], ...] = (no_module_is_dead,)

ROOMS = ("rizzpay", "appliance", "capacity", "tests", "script", "docs", "sql", "hsm", ".ci")
LOOSE = ("README.md", "pyproject.toml")
TEXT = {
    ".py",
    ".sql",
    ".md",
    ".toml",
    ".sh",
    ".cfg",
    ".service",
    ".yml",
    ".html",
    ".css",
    ".js",
    "",
}


def repository(root: Path) -> list[Source]:
    """Read every text file that people wrote."""
    paths = [path for room in ROOMS for path in sorted((root / room).rglob("*"))]
    paths += [root / name for name in LOOSE]
    sources = []
    for path in paths:
        relative = path.relative_to(root).as_posix()
        if path.is_file() and path.suffix in TEXT and relative not in GENERATED:
            sources.append(Source(relative, path.read_text()))
    return sources


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _imports(source: Source) -> Iterator[tuple[str, int]]:
    """Yield what is imported, `from a import b` as a and as a.b: b may be a module or a name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node.lineno
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_ellipsis(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and node.value.value is ...
    )
