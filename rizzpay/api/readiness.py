"""Readiness: can payments be taken, and is everything as it should be?

Only a database that does not answer makes it `unavailable`; everything else that is amiss is
`degraded`, because payments go on: limits fall back to this process, data keys are in memory, a
gateway that is down is answered with a typed error. A look is remembered for a moment, so that
asking often costs nothing. What is said names no version, address or secret.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from rizzpay.api.objects import CheckObject, ReadyObject
from rizzpay.config import Service
from rizzpay.core import clock
from rizzpay.core.errors import RizzPayError, Unavailable
from rizzpay.gateways.catalog import Gateway, Gateways
from rizzpay.infra import vitals
from rizzpay.infra.cache import Cache
from rizzpay.infra.database import Database
from rizzpay.infra.hsm.client import HsmClient

REMEMBER_S = 1.0
DRIFT_MAX_S = 2.0  # between our clock and the database's; signatures are good for minutes
CONNECT_TIMEOUT_S = 1.0
CONNECT_SLOW_S = 0.5
PORTS = {"https": 443, "http": 80}

UP = CheckObject(state="up", detail="answers")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What is looked at."""

    database: Database
    cache: Cache
    hsm: HsmClient
    gateways: Gateways


class Readiness:
    """Looks at the parts, at most once a second."""

    def __init__(self, neighbours: Neighbours, settings: Service) -> None:
        """Keep what to look at."""
        self._neighbours = neighbours
        self._settings = settings
        self._looking = threading.Lock()
        self._seen: tuple[float, ReadyObject] | None = None

    def look(self) -> ReadyObject:
        """Return the state of everything, not older than REMEMBER_S when nobody is looking."""
        with self._looking:
            if self._seen is None or clock.monotonic_s() >= self._seen[0]:
                found = self._look()
                self._seen = (clock.monotonic_s() + REMEMBER_S, found)
            return self._seen[1]

    def _look(self) -> ReadyObject:
        postgresql, drift = self._postgresql()
        checks = {
            "postgresql": postgresql,
            "cache": _asked(self._neighbours.cache.ping, "limits are kept by each process"),
            "hsm": _asked(self._hsm, "data keys in memory are used; new ones cannot be"),
            "disk": self._disk(),
            "clock": drift,
        }
        gateways = {
            name: _gateway(gateway) for name, gateway in self._neighbours.gateways.by_name.items()
        }
        states = {check.state for check in (*checks.values(), *gateways.values())}
        if postgresql.state == "down":
            return ReadyObject(status="unavailable", checks=checks, gateways=gateways)
        if states != {"up"}:
            return ReadyObject(status="degraded", checks=checks, gateways=gateways)
        return ReadyObject(status="ready", checks=checks, gateways=gateways)

    def _postgresql(self) -> tuple[CheckObject, CheckObject]:
        """Ask the database for its time: one question, two checks."""
        try:
            with self._neighbours.database.transaction() as conn:
                theirs, ours = vitals.server_time(conn), clock.now()
        except RizzPayError:
            down = CheckObject(state="down", detail="does not answer")
            return down, CheckObject(state="degraded", detail="nothing to compare with")
        return UP, _clock(theirs, ours)

    def _hsm(self) -> None:
        if not self._neighbours.hsm.status().ready:
            raise Unavailable("hsm")

    def _disk(self) -> CheckObject:
        try:
            free_bytes = vitals.disk_free_bytes(self._settings.data_dir)
        except OSError:
            return CheckObject(state="down", detail="the data directory cannot be read")
        if free_bytes < self._settings.disk_free_min_bytes:
            return CheckObject(state="degraded", detail="less free space than the minimum")
        return CheckObject(state="up", detail="enough free space")


def _asked(question: Callable[[], None], when_down: str) -> CheckObject:
    try:
        question()
    except RizzPayError:
        return CheckObject(state="down", detail=f"does not answer; {when_down}")
    return UP


def _clock(theirs: datetime, ours: datetime) -> CheckObject:
    if abs((theirs - ours).total_seconds()) > DRIFT_MAX_S:
        return CheckObject(state="degraded", detail="differs from the database's by seconds")
    return CheckObject(state="up", detail="agrees with the database's")


def _gateway(gateway: Gateway) -> CheckObject:
    """Say whether a gateway can be reached; whether it takes payments only payments can tell."""
    url = urlsplit(gateway.settings.base_url)
    port = url.port or PORTS.get(url.scheme, PORTS["https"])
    taken_s = vitals.connect_s(url.hostname or "", port, CONNECT_TIMEOUT_S)
    if taken_s is None:
        return CheckObject(state="down", detail="cannot be reached")
    if taken_s > CONNECT_SLOW_S:
        return CheckObject(state="degraded", detail="answers slowly")
    return CheckObject(state="up", detail="can be reached")
