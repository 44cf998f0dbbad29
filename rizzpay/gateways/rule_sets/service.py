"""Proposing and approving rules, and which are in force.

A change takes two keys: one proposes, another one approves, and no key may do both (merchants).
To go back to an older version is a change like every other.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock
from rizzpay.core.errors import Refused
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.routing import rules
from rizzpay.gateways.routing.rules import RuleSet
from rizzpay.gateways.rule_sets import store
from rizzpay.gateways.rule_sets.store import Version
from rizzpay.infra.database import Database

SHOWN_MAX = 100  # versions of a list


class RuleSets:
    """The door to rule sets."""

    def __init__(self, database: Database) -> None:
        """Know none yet."""
        self.in_force: Mapping[bool, Version] = {}
        self._database = database

    def refresh(self) -> None:
        """Learn what is in force; raises Unavailable. One that says nothing is none."""
        with self._database.transaction() as conn:
            found = store.in_force(conn)
        self.in_force = {mode: it for mode, it in found.items() if not it.rule_set.says_nothing}

    def number_in_force(self, livemode: bool) -> int | None:  # noqa: FBT001 - a mode
        """Return the version in force as the database has it, also one that says nothing."""
        with self._database.transaction() as conn:
            found = store.in_force(conn).get(livemode)
        return found.version if found is not None else None

    def propose(
        self, tenant: Tenant, wanted: RuleSet | int, actor: str, gateways: Collection[str]
    ) -> Version:
        """Keep a new version, or one that repeats an older: its number. Raises Refused.

        `gateways` are those of the mode. Codes: invalid_request, not_found.
        """
        now, restores = clock.now(), None
        with self._database.transaction(tenant) as conn:
            if isinstance(wanted, int):
                older = store.get(conn, wanted, {"livemode": tenant.livemode})
                if older is None:
                    raise Refused("not_found", "There is no such version.", param="restores")
                wanted, restores = older.rule_set, older.version
            for param, sentence in rules.faults(wanted, gateways):
                raise Refused("invalid_request", sentence, param=param)
            fresh = Version(0, tenant.livemode, wanted, restores, actor, now, None, None)
            version = store.propose(conn, fresh)
            detail = {"version": version, "rules": len(wanted.rules), "restores": restores}
            audit.append(conn, [Entry(now, actor, "routing.proposed", "routing", detail, tenant)])
        return replace(fresh, version=version)

    def approve(self, tenant: Tenant, version: int, actor: str) -> Version:
        """Put a version in force; raises Refused(not_found, approval_not_possible)."""
        now, mode = clock.now(), {"livemode": tenant.livemode}
        with self._database.transaction(tenant) as conn:
            before = store.get(conn, version, mode)
            if before is None:
                raise Refused("not_found", param="version")
            if not store.approve(conn, version, actor, now, mode):
                raise Refused("approval_not_possible", param="version")
            detail = {"version": version, "proposed_by": before.proposed_by}
            audit.append(conn, [Entry(now, actor, "routing.approved", "routing", detail, tenant)])
        self.refresh()
        return replace(before, approved_by=actor, approved_at=now)

    def get(self, livemode: bool, version: int) -> Version:  # noqa: FBT001 - a mode
        """Return one version; raises Refused(not_found)."""
        with self._database.transaction() as conn:
            found = store.get(conn, version, {"livemode": livemode})
        if found is None:
            raise Refused("not_found", param="version")
        return found

    def of(self, version: int) -> Version:
        """Return one version of any mode, as a decision names it; raises Refused(not_found)."""
        with self._database.transaction() as conn:
            found = store.of_any_mode(conn, version)
        if found is None:
            raise Refused("not_found", param="version")
        return found

    def newest(self, livemode: bool) -> list[Version]:  # noqa: FBT001 - a mode
        """Return the newest versions, approved or not."""
        with self._database.transaction() as conn:
            return store.newest(conn, SHOWN_MAX, {"livemode": livemode})
