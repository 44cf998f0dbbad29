"""Finds the queries of the product and turns them into what PostgreSQL can prepare."""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PREPARABLE = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|VALUES|MERGE)\b")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sbt]|%%|%[sbt]")
# Applies files of sql/migrations: their text is the statement.
RUNS_FILES = {"rizzpay/infra/migrations.py"}


@dataclass(frozen=True)
class Query:
    """An UPPERCASE constant of a store or of infra."""

    module: str
    name: str
    text: str

    @property
    def prepared(self) -> tuple[str, int]:
        """Return the text with $1, $2 … for its parameters, and how many there are."""
        numbers: dict[str, int] = {}

        def number(found: re.Match[str]) -> str:
            if found.group() == "%%":
                return "%"
            if found.group(1) is None:
                message = f"{self.module}.{self.name}: a parameter without a name"
                raise ValueError(message)
            return f"${numbers.setdefault(found.group(1), len(numbers) + 1)}"

        return PLACEHOLDER.sub(number, self.text), len(numbers)


def files() -> list[Path]:
    """Return the files that may hold SQL."""
    stores = sorted((ROOT / "rizzpay").rglob("store.py"))
    return stores + sorted((ROOT / "rizzpay/infra").rglob("*.py"))


def queries() -> list[Query]:
    """Return every constant, or entry of a constant table, that reads or writes rows."""
    found = []
    for path in files():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(name)
        for constant, value in vars(module).items():
            texts = value if isinstance(value, Mapping) else {"": value}
            for key, text in texts.items():
                if constant.isupper() and isinstance(text, str) and PREPARABLE.match(text):
                    found.append(Query(name, f"{constant}[{key}]" if key else constant, text))
    return found


def loose_statements(tree: ast.Module) -> Iterator[str]:
    """Yield calls of execute and send whose statement is not an UPPERCASE constant."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")))):
                pass  # the connection's own way to psycopg
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="conn"), attr="send"), args=[first, *_]
            ) if not _is_constant(first):
                yield f"line {node.lineno}: a statement that is not an UPPERCASE constant"
            case ast.Call(
                func=ast.Attribute(attr="execute" | "executemany" | "copy"), args=[first, *_]
            ) if not _is_constant(first):
                yield f"line {node.lineno}: a statement that is not an UPPERCASE constant"


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Subscript):  # a table of constants, chosen by a key
        node = node.value
    name = {ast.Name: "id", ast.Attribute: "attr"}.get(type(node))
    return bool(name) and str(getattr(node, name)).isupper()
