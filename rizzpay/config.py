"""Config: one frozen tree read from rizzpay.toml; secrets are file names, never values.

A secret file holds the secret and nothing else. One that is named without a directory is a
credential: systemd puts it into the directory that CREDENTIALS_DIRECTORY names, for the one unit
that may have it; a command that an operator runs finds it in `credentials` beside rizzpay.toml.
Unsafe values are refused here, with a sentence that says what to change.
"""

import ipaddress
import os
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from rizzpay.core.errors import Misconfigured
from rizzpay.core.secret import Secret

UpiLinks = Literal["acquirer", "own"]
UpiSignature = Literal["none", "ecdsa-p256"]
AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)

CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5), LoadCredential=
SECRET_FILES = {
    "app_password_file",
    "worker_password_file",
    "owner_password_file",
    "password_file",
    "pin_file",
    "secret_file",
    "callback_secret_file",
    "old_callback_secret_file",
}

# Loopback and link-local, where metadata services answer; the last is IPv4 written as IPv6.
THIS_HOST = tuple(
    ipaddress.ip_network(text)
    for text in ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10", "::ffff:0:0/96")
)

# For so long a merchant may have an event sent again; the database refuses less as well (0010).
KEEP_DAYS_MIN = 90


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The installation as a whole."""

    deployment: str  # "embedded" (one machine, development and small banks) or "production"
    run_dir: str  # Unix sockets and metric files; a short path, mode 0700
    public_url: str  # what merchants call, without a trailing slash: https://127.0.0.1:8443
    data_dir: str  # where readiness measures free disk
    log_level: str = "info"
    management_cidrs: tuple[str, ...] = ("127.0.0.0/8", "::1/128")  # who may read /metrics
    disk_free_min_bytes: int = 256 * 1024 * 1024


class DatabaseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PostgreSQL; `host` may be the directory of a Unix socket.

    With `ca_file` the connection is TLS, and the server has to show a certificate of that authority
    for `server_name`: a TCP proxy in between changes nothing of it.
    """

    host: str
    port: int
    name: str
    app_password_file: str
    worker_password_file: str
    owner_password_file: str
    ca_file: str = ""
    server_name: str = ""  # default: `host`
    pool_size: int = 8  # connections a process
    connect_timeout_s: int = 5


class CacheSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Valkey or Redis, by Unix socket, by host and port, or as its Sentinels say.

    With `ca_file` cache and Sentinels are spoken to in TLS, and each shows a certificate for the
    address that it is reached at.
    """

    socket: str = ""
    host: str = "127.0.0.1"
    port: int = 6379
    sentinels: tuple[str, ...] = ()  # host:port of each; any of them knows the primary
    sentinel_service: str = "rizzpay"  # the name under which they watch it
    ca_file: str = ""
    username: str = ""  # of the cache's access list, and of its Sentinels'
    password_file: str = ""  # of both
    timeout_s: float = 0.25


class HsmSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """rizzpay-hsmd and the token behind it; only the daemon reads module, label and PIN."""

    socket: str
    module: str
    token_label: str
    pin_file: str
    inventory: str  # hsm/keys.toml
    softhsm_config: str = ""  # SOFTHSM2_CONF of the development token; empty for a vendor's module
    allowed_uids: tuple[int, ...] = ()
    allowed_users: tuple[str, ...] = ()  # by name; neither: only the daemon's own uid


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One instance of one kind of gateway; several instances of a kind may stand side by side."""

    kind: str
    base_url: str
    livemode: bool
    key_id: str
    secret_file: str
    callback_secret_file: str
    old_callback_secret_file: str = ""  # still believed, while callbacks move to the new one
    connect_timeout_s: float = 2.0
    answer_timeout_s: float = 5.0
    # Who makes the links of UPI intent and QR: the acquirer, asked for each payment, or we
    # ("own"), to the payee below; then the acquirer hears of a payment when its customer pays.
    # QR codes that stand for many payments name that payee in both cases.
    upi_links: UpiLinks = "acquirer"
    upi_payee_vpa: str = ""
    upi_payee_name: str = ""  # as the payer's app shows it
    upi_payee_mcc: str = ""  # four digits
    upi_payee_city: str = ""  # this and the PIN code: for BharatQR
    upi_payee_pincode: str = ""
    # Whether QR codes that we make carry a signature of the HSM's key sig-upi, DER over SHA-256;
    # the sponsor bank has to know its public part. `upi_org_id` is the signer's number at NPCI.
    upi_signature: UpiSignature = "none"
    upi_org_id: str = ""
    checkout_name: str = ""  # the business that a gateway's hosted checkout shows
    callback_base_url: str = ""  # where it calls us back, without /webhooks/…; else public_url
    return_url: str = ""  # where its page sends customers whose payment names no return_url


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Outbound deliveries."""

    private_targets: tuple[str, ...] = ()  # CIDRs of the own network that an operator opens
    timeout_s: float = 15.0  # Standard Webhooks 1.0 recommends 15 to 30 s
    # Seconds before each attempt after the one before it; Standard Webhooks 1.0, retry table.
    schedule_s: tuple[int, ...] = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    jitter_percent: int = 20
    secret_overlap_s: int = 86_400
    disable_after_s: int = 5 * 86_400


class PaymentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clocks of a payment, in seconds."""

    resolve_schedule_s: tuple[int, ...] = (30, 120, 600, 3600, 21_600, 86_400)
    upi_expiry_s: int = 900
    redirect_expiry_s: int = 1800
    bank_transfer_expiry_s: int = 86_400
    authorization_expiry_s: int = 3 * 86_400
    idempotency_keep_s: int = 30 * 86_400
    sync_max_s: float = 5.0
    failover_within_s: float = 10.0  # of the request: a second gateway has to answer by then
    commit_together: bool = True  # off: a transaction for each request, to measure what it gains


class RoutingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a gateway that fails is left alone (gateways/routing/breaker.py), and what is counted.

    A minute and half of its answers is late for one that is plainly away and early enough for one
    that is ill: a hundredth of that is an ordinary day.
    """

    breaker_window_s: int = 60
    breaker_calls_min: int = 20
    breaker_failure_percent: int = 50
    breaker_open_s: int = 30  # more than a gateway may take to answer
    breaker_probes: int = 3
    rates_window_s: int = 900  # of success rates


class AuditSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sealing of the trail."""

    seal_every_s: float = 1.0
    checkpoint_every_s: float = 60.0
    checkpoint_every_rows: int = 10_000


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long what is not money is kept, in days; payments, the ledger and the trail stay."""

    # 13 months, so that a month can be compared with the one a year before. Events and deliveries
    # are the log of what a merchant was told; PCI DSS 4.0.1 10.5.1 asks for 12 months of logs.
    events_days: int = 395
    # CERT-In directions of 28 April 2022, (iv): logs are kept for 180 days.
    callbacks_days: int = 180


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of rizzpay.toml."""

    service: Service
    database: DatabaseSettings
    cache: CacheSettings
    hsm: HsmSettings
    gateways: dict[str, GatewaySettings] = msgspec.field(default_factory=dict)
    webhooks: WebhookSettings = WebhookSettings()
    payments: PaymentSettings = PaymentSettings()
    routing: RoutingSettings = RoutingSettings()
    audit: AuditSettings = AuditSettings()
    retention: RetentionSettings = RetentionSettings()


def load(path: Path) -> Config:
    """Read and check rizzpay.toml; raises Misconfigured with one sentence."""
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=Config)
    except FileNotFoundError:
        raise Misconfigured(f"{path} does not exist; name the file with --config") from None
    except msgspec.DecodeError as error:
        raise Misconfigured(f"{path}: {error}") from None
    _refuse_unsafe(config)
    return _with_credentials(config, _credentials(path))


def read_secret(path: str) -> Secret[str]:
    """Return what a secret file holds, without the newline at its end."""
    file = Path(path)
    # systemd gives a unit's user a credential by an access list, which looks like a group's right
    others = 0o007 if os.environ.get(CREDENTIALS) == str(file.parent) else 0o077
    try:
        mode = file.stat().st_mode
        text = file.read_text().rstrip("\n")
    except OSError as error:
        raise Misconfigured(f"secret file {path}: {error.strerror}") from None
    if mode & others:
        raise Misconfigured(f"secret file {path} is readable by others; chmod 600 it")
    if not text:
        raise Misconfigured(f"secret file {path} is empty")
    return Secret(text)


def _credentials(config_file: Path) -> Path:
    return Path(os.environ.get(CREDENTIALS) or config_file.resolve().parent / "credentials")


def _with_credentials(config: Config, directory: Path) -> Config:
    """Return the settings with a whole path in the place of each credential's name."""

    def found(name: str) -> str:
        return str(directory / name) if name and Path(name).name == name else name

    def rename(part: AnyStruct) -> AnyStruct:
        files = {
            name: found(getattr(part, name))
            for name in part.__struct_fields__
            if name in SECRET_FILES
        }
        return msgspec.structs.replace(part, **files)

    return msgspec.structs.replace(
        config,
        database=rename(config.database),
        cache=rename(config.cache),
        hsm=rename(config.hsm),
        gateways={name: rename(gateway) for name, gateway in config.gateways.items()},
    )


def _refuse_unsafe(config: Config) -> None:
    service = config.service
    if service.deployment not in {"embedded", "production"}:
        raise Misconfigured("service.deployment must be embedded or production")
    if not service.public_url.startswith("https://"):
        raise Misconfigured("service.public_url must begin with https://")
    _refuse_forgetting(config.retention)
    _refuse_unnamed_server(config.database)
    private = [_network(text) for text in config.webhooks.private_targets]
    for text in service.management_cidrs:
        _network(text)
    if service.deployment == "production":
        for network in private:
            if any(network.version == one.version and network.overlaps(one) for one in THIS_HOST):
                raise Misconfigured(f"webhooks.private_targets: {network} is this host itself")
        _refuse_clear_text(config)
        for name, gateway in config.gateways.items():
            _refuse_unsafe_gateway(name, gateway)


def _refuse_clear_text(config: Config) -> None:
    """Refuse what would cross a network without TLS."""
    database, cache = config.database, config.cache
    if not database.host.startswith("/") and not database.ca_file:
        raise Misconfigured("database.host is reached over TCP; set database.ca_file for TLS")
    if not cache.socket and not cache.ca_file:
        raise Misconfigured("the cache is reached over TCP; set cache.ca_file for TLS")


def _refuse_unnamed_server(database: DatabaseSettings) -> None:
    if database.server_name and not database.ca_file:
        raise Misconfigured("database.server_name is compared only in TLS; set database.ca_file")


def _refuse_forgetting(retention: RetentionSettings) -> None:
    for name in ("events_days", "callbacks_days"):
        if getattr(retention, name) < KEEP_DAYS_MIN:
            raise Misconfigured(f"retention.{name} must be {KEEP_DAYS_MIN} or more")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise Misconfigured(f"{text} is not a CIDR: {error}") from None
    if network.prefixlen == 0:
        raise Misconfigured(f"{text} is the whole internet; name the networks you mean")
    return network


def _refuse_unsafe_gateway(name: str, gateway: GatewaySettings) -> None:
    if gateway.livemode and gateway.kind == "sandbox":
        raise Misconfigured(f"gateways.{name}: the sandbox cannot take live payments")
    if gateway.livemode and not gateway.base_url.startswith("https://"):
        raise Misconfigured(f"gateways.{name}.base_url must begin with https://")
    called = gateway.callback_base_url
    if gateway.livemode and called and not called.startswith("https://"):
        raise Misconfigured(f"gateways.{name}.callback_base_url must begin with https://")
