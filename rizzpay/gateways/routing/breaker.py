"""The circuit breaker of one gateway and method: when it is left alone, when it is tried again.

Closed, it takes payments. When too many of its answers of the last minute were technical failures
it opens and takes none. After a pause it is half open: a few payments are let through, and what
becomes of them closes or opens it. A decline is an answer and never a failure: only what did not
reach the gateway, or brought no outcome back, counts (`failed`).

Source: M. Nygard, Release It!, 2nd edition, chapter 5, "Circuit Breaker".
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from rizzpay.gateways.port import NotSent, Outcome, Unknown


class State(StrEnum):
    """Whether a gateway takes payments of a method."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Policy:
    """When it opens and closes; the settings' section `routing` has the same names."""

    window_s: int
    calls_min: int  # answers of a window below which nothing is concluded
    failure_percent: int  # of them, from which on it opens
    open_s: int  # how long it rests, and how long probes may take
    probes: int  # payments that are let through, and have to go well


@dataclass(frozen=True, slots=True)
class Heard:
    """Answers of a gateway to requests for money, by one method."""

    calls: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """`probes_left` and `probed` are of this half-open time; `version` counts its moves."""

    state: State
    since: datetime
    probes_left: int = 0
    probed: Heard = Heard()
    version: int = 0


def failed(outcome: Outcome) -> bool:
    """Tell whether an answer is a technical failure; HTTP 5xx is Unknown by the port's rules."""
    return isinstance(outcome, NotSent | Unknown)


def opens(policy: Policy, heard: Heard) -> bool:
    """Tell whether what was heard within the window is too bad."""
    enough = heard.calls >= policy.calls_min
    return enough and heard.failures * 100 >= heard.calls * policy.failure_percent


def moved(policy: Policy, breaker: Breaker, heard: Heard, now: datetime) -> Breaker | None:
    """Return the breaker in its next state, or None when it stays as it is.

    `heard` is of the policy's window; of a breaker that just closed it begins when it did.
    """
    rested = now - breaker.since >= timedelta(seconds=policy.open_s)
    match breaker.state:
        case State.CLOSED:
            return _next(breaker, State.OPEN, now) if opens(policy, heard) else None
        case State.OPEN:
            return _tried(policy, breaker, now) if rested else None
        case State.HALF_OPEN:
            if breaker.probed.failures:
                return _next(breaker, State.OPEN, now)
            if breaker.probed.calls >= policy.probes:
                return _next(breaker, State.CLOSED, now)
            return _tried(policy, breaker, now) if rested else None


def _tried(policy: Policy, breaker: Breaker, now: datetime) -> Breaker:
    """Hand out probes: for the first time, or again because some were never used."""
    return replace(_next(breaker, State.HALF_OPEN, now), probes_left=policy.probes)


def _next(breaker: Breaker, state: State, now: datetime) -> Breaker:
    return Breaker(state, now, version=breaker.version + 1)
