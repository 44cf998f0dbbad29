"""rizzpay.toml of the embedded appliance: the same structure that production uses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from appliance.embedded.layout import Layout
from rizzpay.config import (
    CacheSettings,
    Config,
    DatabaseSettings,
    GatewaySettings,
    HsmSettings,
    Service,
    UpiLinks,
    WebhookSettings,
)

SANDBOX = "sandbox"  # name of the gateway, and its key id
PAYEE_VPA = "rizzpay.appliance@rizzpay"  # of UPI links that the appliance makes itself
ANSWER_TIMEOUT_S = 5.0  # of the sandbox acquirer; what a production gateway gets by default
LOOPBACK = ("127.0.0.0/8",)  # a merchant develops on this machine, so webhooks may go to it


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the parts are."""

    database: DatabaseSettings
    cache: CacheSettings
    hsm: HsmSettings


@dataclass(frozen=True, slots=True)
class Addresses:
    """What is reached over TCP, all of it on 127.0.0.1."""

    api_port: int
    sandbox_port: int

    @property
    def api(self) -> str:
        """The API's URL."""
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def sandbox(self) -> str:
        """The sandbox acquirer's URL."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def callbacks(self) -> str:
        """Where the sandbox acquirer tells of payments that no request told it of."""
        return f"{self.api}/webhooks/{SANDBOX}"


def build(
    layout: Layout,
    addresses: Addresses,
    parts: Parts,
    upi_links: UpiLinks = "acquirer",
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> Config:
    """Return the settings; `upi_links` says who makes the links of UPI intent and QR."""
    sandbox = GatewaySettings(
        kind="sandbox",
        base_url=addresses.sandbox,
        livemode=False,
        key_id=SANDBOX,
        secret_file=str(layout.secret("sandbox")),
        callback_secret_file=str(layout.secret("sandbox_callback")),
        answer_timeout_s=answer_timeout_s,
        upi_links=upi_links,
        upi_payee_vpa=PAYEE_VPA,
        upi_payee_name="RizzPay Appliance",
        upi_payee_mcc="5411",
        upi_payee_city="Mumbai",
        upi_payee_pincode="400001",
    )
    return Config(
        service=Service(
            deployment="embedded",
            run_dir=str(layout.run),
            public_url=addresses.api,
            data_dir=str(layout.data),
        ),
        database=parts.database,
        cache=parts.cache,
        hsm=parts.hsm,
        gateways={SANDBOX: sandbox},
        webhooks=WebhookSettings(private_targets=LOOPBACK),
    )


def toml(config: Config) -> str:
    """Return the settings as TOML, defaults included, so that everything can be seen."""
    lines = ["# Written by the embedded appliance at every start; changes are lost."]
    plain: dict[str, Mapping[str, Any]] = msgspec.to_builtins(config)
    gateways = plain.pop("gateways")
    for section, values in plain.items():
        lines += _section(section, values)
    for name, gateway in gateways.items():
        lines += _section(f"gateways.{name}", gateway)
    return "\n".join(lines) + "\n"


def _section(name: str, values: Mapping[str, Any]) -> list[str]:
    # a JSON string, number, boolean or list of these is written the same in TOML
    return ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
