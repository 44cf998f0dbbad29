"""The service's own settings in rizzpay.toml against the plan."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from capacity.errors import WrongUse
from capacity.sizing.plan import Plan, setting
from capacity.verify.findings import Finding, Unchecked
from capacity.verify.kernels import Answer


def compare(plan: Plan, config: Path | None) -> Iterator[Answer]:
    """Yield a finding, what was not checked, or None. Raises WrongUse for a broken file."""
    name = "database.pool_size"
    if config is None:
        yield Unchecked(what=name, reason="no --config, and RIZZPAY_CONFIG is not set")
        return
    try:
        found = tomllib.loads(config.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongUse(f"{config}: {error}") from None
    section = found.get("database")
    size = section.get("pool_size") if isinstance(section, dict) else None
    wanted = setting(plan.settings.service, "api_pool_size").value
    if size is None:
        yield Unchecked(what=name, reason=f"{config} leaves it to the service's default")
    elif size != wanted:
        yield Finding(
            setting=name, wanted=str(wanted), found=str(size), file=str(config), where=str(config)
        )
    else:
        yield None
