"""Rules of routing: try them out, propose, approve, look at them."""

from typing import Any

import falcon

from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.routing_bodies import EvaluateBody, RuleSetBody
from rizzpay.api.routing_objects import RoutingDecisionObject, RuleSetList, RuleSetObject
from rizzpay.api.views import when
from rizzpay.core import clock, ids
from rizzpay.core.clock import unix_s
from rizzpay.core.errors import Refused
from rizzpay.gateways.port import CaptureMethod
from rizzpay.gateways.router import Router
from rizzpay.gateways.routing import NoRoute
from rizzpay.gateways.routing.rules import Asked
from rizzpay.gateways.rule_sets import Version
from rizzpay.merchants.model import Caller

URL = "/v1/routing/rule_sets"
DIGITS_MAX = 18  # of a bigint, and one to spare


class EvaluationResource:
    """What would be decided."""

    def __init__(self, router: Router) -> None:
        """Keep who decides."""
        self._router = router

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Decide about a payment that there is not."""
        body, caller = req.checked_body(EvaluateBody), req.caller
        livemode = caller.tenant.livemode
        rule_set = None
        if body.version is not None:
            rule_set = self._router.rule_sets.get(livemode, body.version).rule_set
        capture_method = CaptureMethod(body.capture_method)
        question = (body.method, body.currency, livemode, capture_method)
        found = self._router.try_out(question, _asked(body, caller), rule_set)
        if isinstance(found, NoRoute):
            raise Refused("method_not_supported", found.reason, param="method")
        made, inputs = found.decision, found.inputs
        shown = RoutingDecisionObject(
            livemode=livemode,
            version=body.version or found.version or None,
            rule=made.rule or None,
            strategy=made.strategy,
            why=made.why,
            gateways=list(made.gateways),
            eligible=list(inputs.eligible),
            ill=inputs.ill,
            rates=inputs.rates,
        )
        send(resp, 200, shown)


class RuleSetsResource:
    """All versions of the caller's mode."""

    def __init__(self, router: Router) -> None:
        """Keep the rules and the gateways that they may name."""
        self._router = router

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Propose a version."""
        body, caller = req.checked_body(RuleSetBody), req.caller
        wanted = body.rule_set if body.restores is None else body.restores
        if wanted is None or (body.rule_set is not None and body.restores is not None):
            raise Refused("invalid_request", "Send rule_set or restores.", param="rule_set")
        named = {
            it.gateway
            for it in self._router.gateways.routes
            if it.livemode is caller.tenant.livemode
        }
        made = self._router.rule_sets.propose(caller.tenant, wanted, caller.key_id, named)
        send(resp, 201, _shown(made, None))

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List the newest versions."""
        livemode, rule_sets = req.caller.tenant.livemode, self._router.rule_sets
        in_force = rule_sets.number_in_force(livemode)
        data = [_shown(it, in_force) for it in rule_sets.newest(livemode)]
        send(resp, 200, RuleSetList(url=URL, has_more=False, next_cursor=None, data=data))


class RuleSetResource:
    """One version."""

    def __init__(self, router: Router) -> None:
        """Keep the rules."""
        self._rule_sets = router.rule_sets

    def on_get(self, req: ApiRequest, resp: falcon.Response, version: str) -> None:
        """Fetch it."""
        livemode = req.caller.tenant.livemode
        found = self._rule_sets.get(livemode, _number(version))
        send(resp, 200, _shown(found, self._rule_sets.number_in_force(livemode)))


class ApprovalResource:
    """The second key's yes."""

    def __init__(self, router: Router) -> None:
        """Keep the rules."""
        self._rule_sets = router.rule_sets

    def on_post(self, req: ApiRequest, resp: falcon.Response, version: str) -> None:
        """Put a version in force."""
        caller = req.caller
        made = self._rule_sets.approve(caller.tenant, _number(version), caller.key_id)
        send(resp, 200, _shown(made, made.version))


def _number(version: str) -> int:
    if not (version.isascii() and version.isdigit() and len(version) <= DIGITS_MAX):
        raise Refused("not_found", param="version")
    return int(version)


def _asked(body: EvaluateBody, caller: Caller) -> Asked:
    now = clock.now()
    return Asked(
        payment_id=body.payment_id or ids.new_id("payment", now),
        merchant_id=body.merchant_id or caller.merchant.id,
        mcc=body.mcc or caller.merchant.mcc,
        method=body.method,
        currency=body.currency,
        amount=body.amount,
        issuer=body.issuer,
        at=unix_s(now) if body.at is None else body.at,
    )


def _shown(it: Version, in_force: int | None) -> RuleSetObject:
    approved = "in_force" if it.version == in_force else "replaced"
    status: Any = "proposed" if it.approved_at is None else approved
    return RuleSetObject(
        version=it.version,
        livemode=it.livemode,
        status=status,
        rule_set=it.rule_set,
        restores=it.restores,
        proposed_by=it.proposed_by,
        proposed_at=unix_s(it.proposed_at),
        approved_by=it.approved_by,
        approved_at=when(it.approved_at),
    )
