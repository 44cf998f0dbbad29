"""How one sandbox server is set up; the command line fills it in."""

from dataclasses import dataclass
from pathlib import Path

from rizzpay.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Settings:
    """Times that a merchant's test may want shorter are settings; the rest is fixed."""

    host: str
    port: int
    data: Path
    key_id: str
    secret: Secret[str]
    callback_secret: Secret[str]
    callback_ca_file: str | None = None
    callback_url_prefixes: tuple[str, ...] = ()  # none: only loopback hosts
    public_url: str = ""  # of the hosted pages; empty: the address that is listened on
    upi_payee_vpa: str = ""  # of links that merchants' sides make; empty: they make none
    upi_callback_url: str = ""  # who is told of a payment to it
    latency_ms: int = 0
    slow_ms: int = 2000
    hang_s: float = 30.0
    approve_after_ms: int = 300
    late_after_s: float = 900.0
