"""An installation as a client and an operator see it: address, keys, database, processes.

Read from two files: `credentials.json`, which script/server writes and an operator can write by
hand (base_url, ca_file, merchant_id, key_id, key_secret, optional pids), and `rizzpay.toml`.
Secrets stay in their files until they are used and are never put on a command line.
"""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from psycopg.conninfo import make_conninfo

from capacity.errors import WrongUse

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant with a key; the secret is not shown when this is printed."""

    merchant_id: str
    key_id: str
    key_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the service is, whom to be there, and its settings as rizzpay.toml has them."""

    host: str
    port: int
    ca_file: Path
    shop: Shop
    credentials_file: Path
    config_file: Path
    settings: dict[str, Any] = field(repr=False)

    @property
    def embedded(self) -> bool:
        """Tell whether it is made for development and measuring."""
        return bool(self.settings["service"]["deployment"] == "embedded")

    def pids(self) -> dict[str, list[int]]:
        """Return the processes that credentials.json names now; empty when it names none."""
        found = _json(self.credentials_file).get("pids", {})
        return {
            name: value if isinstance(value, list) else [value] for name, value in found.items()
        }

    def conninfo(self) -> str:
        """Return a connection string of the worker's role, with its password."""
        database = self.settings["database"]
        password = _secret(Path(database["worker_password_file"]))
        return make_conninfo(
            host=database["host"],
            port=database["port"],
            dbname=database["name"],
            user="rizzpay_worker",
            password=password,
            connect_timeout=5,
            application_name="rizzpay-capacity",
        )

    def callback_gateway(self) -> tuple[str, str]:
        """Return name and callback secret of the sandbox gateway whose UPI links are our own.

        Raises WrongUse when there is none: then no callback can be made for a payment.
        """
        for name, one in self.settings.get("gateways", {}).items():
            if one["kind"] == "sandbox" and one.get("upi_links") == "own":
                return name, _secret(Path(one["callback_secret_file"]))
        raise WrongUse(
            f"{self.config_file}: the mix `collect` needs a sandbox gateway with "
            'upi_links = "own"; script/server --upi-links own sets it'
        )


def read(credentials: Path, config: Path) -> Installation:
    """Read both files; raises WrongUse with one sentence."""
    given = _json(credentials)
    try:
        where = urlsplit(given["base_url"])
        shop = Shop(given["merchant_id"], given["key_id"], given["key_secret"])
        ca_file = Path(given["ca_file"])
    except KeyError as error:
        raise WrongUse(f"{credentials}: {error.args[0]} is missing") from None
    if where.scheme != "https" or not where.hostname:
        raise WrongUse(f"{credentials}: base_url must be https://HOST[:PORT]")
    return Installation(
        host=where.hostname,
        port=where.port or HTTPS_PORT,
        ca_file=ca_file,
        shop=shop,
        credentials_file=credentials,
        config_file=config,
        settings=_toml(config),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise WrongUse(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise WrongUse(f"{path}: a JSON object is needed")
    return found


def _toml(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text())
        _ = found["database"]["worker_password_file"], found["service"]["deployment"]
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise WrongUse(f"{path} is not a rizzpay.toml: {error}") from None
    return found


def _secret(path: Path) -> str:
    try:
        return path.read_text().rstrip("\n")
    except OSError as error:
        raise WrongUse(f"secret file {path}: {error.strerror}") from None
