"""Which packages of Debian the roles install: what each role's defaults call ROLE_packages."""

from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

# What ansible reaches a server with, and what the playbook's own controller needs.
FOR_ANSIBLE = ("openssh-server", "python3", "python3-apt", "sudo")
FOR_THE_CONTROLLER = ("openssh-client", "python3-cryptography", "python3-venv")


def wanted(roles: Path, facts: dict[str, Any]) -> list[str]:
    """Return every package that a role of the directory names, sorted.

    A name may refer to other defaults of its role and to `facts`, as `ansible_facts`.
    """
    found = {*FOR_ANSIBLE, *FOR_THE_CONTROLLER}
    for file in sorted(roles.glob("*/defaults/main.yml")):
        role = file.parents[1].name
        defaults = yaml.safe_load(file.read_text()) or {}
        known = {**defaults, "ansible_facts": facts}
        for name, value in defaults.items():
            if name.startswith(f"{role}_") and name.endswith("packages"):
                found |= set(_rendered(value, known))
    return sorted(found)


def _rendered(value: Any, known: dict[str, Any]) -> list[str]:
    """Return a list of names with their expressions filled in; raises when one is unknown."""
    if isinstance(value, list):
        return [name for one in value for name in _rendered(one, known)]
    text = str(value)
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    for _ in range(3):  # a default may refer to a default
        if "{{" not in text and "{%" not in text:
            break
        text = environment.from_string(text).render(known)
    return [text] if text.strip() else []
