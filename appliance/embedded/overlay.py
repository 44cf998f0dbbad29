"""An own settings file over what the embedded appliance writes: other gateways, other clocks.

Its sections are those of rizzpay.toml. What the appliance itself starts (service, database, cache,
hsm) is not for it. Gateways of the file stand before the sandbox, so that they are asked first.
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from rizzpay.config import Config
from rizzpay.core.errors import Misconfigured

OURS = frozenset({"service", "database", "cache", "hsm"})


def apply(config: Config, path: Path) -> Config:
    """Return the settings with the file's values in their places; raises Misconfigured."""
    wanted = _read(path)
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    for section, values in wanted.items():
        if section in OURS:
            raise Misconfigured(f"{path}: [{section}] is the appliance's own; leave it out")
        if not isinstance(values, dict):
            raise Misconfigured(f"{path}: {section} stands in no section")
        ours = plain.get(section, {})
        plain[section] = (
            {**values, **ours, **values} if section == "gateways" else {**ours, **values}
        )
    try:
        return msgspec.convert(plain, Config)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{path}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path}: {error}") from None
