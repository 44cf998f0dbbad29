"""The routes: one table, from which the application, OpenAPI, the docs and the tests are made.

It says of each route who may call it, what it takes, what it answers and how it can refuse.
Refusals that every route of a kind shares are added by `Route.codes`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from rizzpay.api import objects, qr_codes, routing_bodies, routing_objects, schemas
from rizzpay.api.catalog import DECLINES

Needs = Literal["required", "optional", "no"]
PAYMENT = {
    "amount": 50000,
    "currency": "INR",
    "method": {"type": "card", "token": "tok_approve"},
    "reference": "order-1",
    "customer": {"name": "Asha Rao", "email": "asha@example.com", "phone": "+919876543210"},
}

# What HAProxy in front of the service refuses by itself, with the same object.
PROXY = ("request_timeout", "rate_limited", "unavailable", "interrupted")


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. `resource` names the object of app.py that answers."""

    method: str
    path: str
    operation: str
    summary: str
    resource: str
    answers: dict[int, type[msgspec.Struct] | None]
    scope: str | None = None  # None: no authentication
    query: type[msgspec.Struct] = schemas.NoQuery
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    idempotency: Needs = "no"
    refusals: tuple[str, ...] = ()
    example: dict[str, Any] | None = None
    media_type: str = "application/json"
    raw_body: bool = False

    @property
    def tag(self) -> str:
        """Return the group of the route: the noun after /v1, or `service`."""
        parts = self.path.strip("/").split("/")
        return parts[1] if parts[0] == "v1" else "service"

    @property
    def writes(self) -> bool:
        """Tell whether a suspended merchant may not call it."""
        return self.scope is not None and self.scope.endswith((":write", ":propose", ":approve"))

    @property
    def codes(self) -> tuple[str, ...]:
        """Return every code that this route can refuse with."""
        found = [*self.refusals, "method_not_allowed", "internal_error", "malformed_request"]
        found += ["invalid_request", "pan_not_accepted", "cvv_not_accepted", *PROXY]
        if self.scope is not None:
            found += ["unauthenticated", "ip_not_allowed", "insufficient_scope"]
            found.append("merchant_suspended")
        if self.body is not None:
            found += ["malformed_json", "body_too_large", "unsupported_media_type"]
        if self.idempotency == "required":
            found.append("idempotency_key_required")
        if self.idempotency != "no":
            found += ["idempotency_key_invalid", "idempotency_in_progress"]
            found.append("idempotency_mismatch")
        return tuple(sorted(set(found)))


OUTCOMES = (
    "gateway_unreachable",
    "gateway_never_received_it",
    "gateway_rejected_request",
    "gateway_rejected_credentials",
    "outcome_unknown",
)
CHANGES = ("payment_not_found", "illegal_transition", "unknown_outcome_pending")
WEBHOOK_URL = (
    "invalid_webhook_url",
    "webhook_target_forbidden",
    "webhook_url_unresolvable",
)
DECLINED = tuple(problem.code for problem in DECLINES)

PAYMENTS = (
    Route(
        "POST", "/v1/payments", "createPayment", "Collect an amount from a customer",
        "payments", {201: objects.PaymentObject}, "payments:write",
        body=schemas.PaymentBody, idempotency="required", example=PAYMENT,
        refusals=(*OUTCOMES, *DECLINED, "currency_not_supported", "method_not_supported",
                  "upi_collect_not_permitted", "gaming_not_permitted", "risk_review_required",
                  "limit_exceeded", "amount_not_allowed", "aadhaar_not_accepted",
                  "gateway_unavailable"),
    ),
    Route(
        "GET", "/v1/payments", "listPayments", "List payments, newest first", "payments",
        {200: objects.PaymentList}, "payments:read", query=schemas.PaymentsQuery,
        refusals=("invalid_cursor",),
    ),
    Route(
        "GET", "/v1/payments/{payment_id}", "getPayment", "Fetch a payment", "payment",
        {200: objects.PaymentObject}, "payments:read", query=schemas.PaymentQuery,
        refusals=("payment_not_found",),
    ),
    Route(
        "POST", "/v1/payments/{payment_id}/capture", "capturePayment",
        "Take what was authorized", "capture", {200: objects.PaymentObject}, "payments:write",
        body=schemas.CaptureBody, body_optional=True, idempotency="required",
        example={"amount": 20000, "final": True},
        refusals=(*CHANGES, *OUTCOMES, *DECLINED, "amount_exceeds_authorized"),
    ),
    Route(
        "POST", "/v1/payments/{payment_id}/cancel", "cancelPayment",
        "Call a payment off, or release what is held", "cancel",
        {200: objects.PaymentObject}, "payments:write", body=schemas.CancelBody,
        body_optional=True, idempotency="optional", example={"reason": "out of stock"},
        refusals=(*CHANGES, *OUTCOMES, *DECLINED),
    ),
)  # fmt: skip

QR_CODE = {"type": "upi_qr", "usage": "multiple_use", "name": "Asha Stores"}
QR_CODES = (
    Route(
        "POST", "/v1/qr_codes", "createQrCode", "Make a QR code that customers pay by",
        "qr_codes", {201: qr_codes.QrCodeObject}, "payments:write", body=qr_codes.QrCodeBody,
        idempotency="required", example=QR_CODE,
        refusals=("qr_codes_not_supported", "gaming_not_permitted", "aadhaar_not_accepted"),
    ),
    Route(
        "GET", "/v1/qr_codes", "listQrCodes", "List QR codes, newest first", "qr_codes",
        {200: qr_codes.QrCodeList}, "payments:read", query=schemas.PageQuery,
        refusals=("invalid_cursor",),
    ),
    Route(
        "GET", "/v1/qr_codes/{qr_code_id}", "getQrCode", "Fetch a QR code", "qr_code",
        {200: qr_codes.QrCodeObject}, "payments:read", refusals=("qr_code_not_found",),
    ),
    Route(
        "GET", "/v1/qr_codes/{qr_code_id}.png", "getQrCodePng", "Fetch a QR code as PNG",
        "qr_code_png", {200: None}, "payments:read", media_type="image/png",
        refusals=("qr_code_not_found",),
    ),
    Route(
        "GET", "/v1/qr_codes/{qr_code_id}.svg", "getQrCodeSvg", "Fetch a QR code as SVG",
        "qr_code_svg", {200: None}, "payments:read", media_type="image/svg+xml",
        refusals=("qr_code_not_found",),
    ),
    Route(
        "POST", "/v1/qr_codes/{qr_code_id}/close", "closeQrCode",
        "Close a QR code: what is paid by it from now on goes back", "close_qr_code",
        {200: qr_codes.QrCodeObject}, "payments:write", body=schemas.NoBody, body_optional=True,
        idempotency="optional", refusals=("qr_code_not_found", "illegal_transition"),
    ),
    Route(
        "GET", "/v1/qr_codes/{qr_code_id}/payments", "listQrCodePayments",
        "List the payments that came by a QR code, newest first", "qr_code_payments",
        {200: qr_codes.QrCodePaymentList}, "payments:read", query=schemas.PageQuery,
        refusals=("qr_code_not_found", "invalid_cursor"),
    ),
)  # fmt: skip

REFUNDS = (
    Route(
        "POST", "/v1/refunds", "createRefund", "Give captured money back", "refunds",
        {201: objects.RefundObject}, "refunds:write", body=schemas.RefundBody,
        idempotency="required",
        example={"payment_id": "$PAYMENT_ID", "amount": 10000, "reason": "returned"},
        refusals=(*CHANGES, *OUTCOMES, *DECLINED, "amount_exceeds_captured",
                  "aadhaar_not_accepted"),
    ),
    Route(
        "GET", "/v1/refunds", "listRefunds", "List refunds, newest first", "refunds",
        {200: objects.RefundList}, "refunds:read", query=schemas.RefundsQuery,
        refusals=("invalid_cursor",),
    ),
    Route(
        "GET", "/v1/refunds/{refund_id}", "getRefund", "Fetch a refund", "refund",
        {200: objects.RefundObject}, "refunds:read", refusals=("refund_not_found",),
    ),
)  # fmt: skip

EVENTS = (
    Route(
        "GET", "/v1/events", "listEvents", "List events in the order of their sequence",
        "events", {200: objects.EventList}, "events:read", query=schemas.EventsQuery,
    ),
    Route(
        "GET", "/v1/events/{event_id}", "getEvent", "Fetch an event", "event",
        {200: objects.EventObject}, "events:read", refusals=("event_not_found",),
    ),
    Route(
        "POST", "/v1/events/{event_id}/replay", "replayEvent",
        "Send an event again to every endpoint that wants it", "replay",
        {201: objects.ReplayObject}, "webhooks:write", body=schemas.ReplayBody, body_optional=True,
        refusals=("event_not_found", "webhook_endpoint_not_found", "endpoint_disabled"),
    ),
)  # fmt: skip

WEBHOOKS = (
    Route(
        "POST", "/v1/webhook_endpoints", "createWebhookEndpoint", "Add a webhook endpoint",
        "webhook_endpoints", {201: objects.WebhookEndpointObject}, "webhooks:write",
        body=schemas.WebhookEndpointBody,
        example={"url": "$WEBHOOK_URL", "event_types": ["payment.*", "refund.*"]},
        refusals=(*WEBHOOK_URL, "endpoint_limit"),
    ),
    Route(
        "GET", "/v1/webhook_endpoints", "listWebhookEndpoints", "List webhook endpoints",
        "webhook_endpoints", {200: objects.WebhookEndpointList}, "webhooks:read",
    ),
    Route(
        "GET", "/v1/webhook_endpoints/{endpoint_id}", "getWebhookEndpoint",
        "Fetch a webhook endpoint", "webhook_endpoint", {200: objects.WebhookEndpointObject},
        "webhooks:read", refusals=("webhook_endpoint_not_found",),
    ),
    Route(
        "PATCH", "/v1/webhook_endpoints/{endpoint_id}", "updateWebhookEndpoint",
        "Change a webhook endpoint", "webhook_endpoint", {200: objects.WebhookEndpointObject},
        "webhooks:write", body=schemas.WebhookEndpointChange,
        example={"description": "orders"},
        refusals=("webhook_endpoint_not_found", *WEBHOOK_URL),
    ),
    Route(
        "DELETE", "/v1/webhook_endpoints/{endpoint_id}", "deleteWebhookEndpoint",
        "Delete a webhook endpoint", "webhook_endpoint", {204: None}, "webhooks:write",
        refusals=("webhook_endpoint_not_found",),
    ),
    Route(
        "POST", "/v1/webhook_endpoints/{endpoint_id}/rotate_secret", "rotateWebhookSecret",
        "Make a new signing secret; the old one signs too for a while", "rotate_secret",
        {200: objects.WebhookEndpointObject}, "webhooks:write", body=schemas.NoBody,
        body_optional=True, refusals=("webhook_endpoint_not_found",),
    ),
    Route(
        "GET", "/v1/webhook_endpoints/{endpoint_id}/deliveries", "listDeliveries",
        "List deliveries, newest first", "deliveries", {200: objects.DeliveryList},
        "webhooks:read", query=schemas.PageQuery,
        refusals=("webhook_endpoint_not_found", "invalid_cursor"),
    ),
)  # fmt: skip

ACCOUNT = (
    Route(
        "GET", "/v1/balance", "getBalance", "Fetch the balance", "balance",
        {200: objects.BalanceObject}, "balance:read",
    ),
    Route(
        "POST", "/v1/api_keys", "createApiKey", "Make a second key", "api_keys",
        {201: objects.ApiKeyObject}, "keys:write", body=schemas.ApiKeyBody, body_optional=True,
        example={"label": "rotation"}, refusals=("scope_not_grantable", "too_many_keys"),
    ),
    Route(
        "GET", "/v1/api_keys", "listApiKeys", "List keys", "api_keys",
        {200: objects.ApiKeyList}, "keys:read",
    ),
    Route(
        "GET", "/v1/api_keys/{key_id}", "getApiKey", "Fetch a key", "api_key",
        {200: objects.ApiKeyObject}, "keys:read", refusals=("not_found",),
    ),
    Route(
        "DELETE", "/v1/api_keys/{key_id}", "revokeApiKey",
        "Revoke a key, also the one that asks", "api_key", {200: objects.ApiKeyObject},
        "keys:write", refusals=("not_found",),
    ),
    Route(
        "GET", "/v1/merchants/me/capabilities", "getCapabilities",
        "See which methods work, and why others do not", "capabilities",
        {200: objects.CapabilitiesObject}, "payments:read",
    ),
)  # fmt: skip

GATEWAYS = (
    Route(
        "GET", "/v1/gateways", "listGateways",
        "See the gateways of this installation, what they can do and how they are", "gateways",
        {200: routing_objects.GatewayStatusList}, "payments:read",
    ),
    Route(
        "GET", "/v1/gateways/{gateway}", "getGateway", "Fetch a gateway", "gateway",
        {200: routing_objects.GatewayStatusObject}, "payments:read", refusals=("not_found",),
    ),
)  # fmt: skip

ROUTING = (
    Route(
        "POST", "/v1/routing/evaluate", "evaluateRouting",
        "See whom a payment would be asked of, and why; nothing happens", "routing_evaluation",
        {200: routing_objects.RoutingDecisionObject}, "routing:read",
        body=routing_bodies.EvaluateBody, example={"method": "card", "amount": 50000},
        refusals=("method_not_supported", "not_found"),
    ),
    Route(
        "POST", "/v1/routing/rule_sets", "proposeRuleSet",
        "Propose rules; another key approves them", "rule_sets",
        {201: routing_objects.RuleSetObject}, "routing:propose",
        body=routing_bodies.RuleSetBody,
        example={"rule_set": {"rules": [
            {"name": "cards", "when": {"methods": ["card"]}, "use": {"type": "success_rate"}},
        ]}},
        refusals=("not_found",),
    ),
    Route(
        "GET", "/v1/routing/rule_sets", "listRuleSets", "List the newest versions of the rules",
        "rule_sets", {200: routing_objects.RuleSetList}, "routing:read",
    ),
    Route(
        "GET", "/v1/routing/rule_sets/{version}", "getRuleSet", "Fetch a version of the rules",
        "rule_set", {200: routing_objects.RuleSetObject}, "routing:read",
        refusals=("not_found",),
    ),
    Route(
        "POST", "/v1/routing/rule_sets/{version}/approve", "approveRuleSet",
        "Put rules in force that another key proposed", "rule_set_approval",
        {200: routing_objects.RuleSetObject}, "routing:approve", body=schemas.NoBody,
        body_optional=True, refusals=("not_found", "approval_not_possible"),
    ),
)  # fmt: skip

SERVICE = (
    Route(
        "POST", "/webhooks/{gateway}", "receiveCallback", "Callback of a gateway", "callbacks",
        {200: objects.ReceivedObject}, raw_body=True,
        refusals=("not_found", "callback_rejected", "body_too_large"),
    ),
    Route("GET", "/health/live", "live", "Does the process answer?", "live",
          {200: objects.LiveObject}),
    Route("GET", "/health/ready", "ready", "Can payments be taken?", "ready",
          {200: objects.ReadyObject, 503: objects.ReadyObject}),
    Route("GET", "/metrics", "metrics", "Figures for Prometheus", "metrics", {200: None},
          refusals=("management_only",), media_type="text/plain"),
    Route("GET", "/openapi.json", "openapi", "This document", "openapi", {200: None}),
    Route("GET", "/docs", "docs", "Documentation of the routes", "docs", {200: None},
          media_type="text/html"),
    Route("GET", "/docs/errors", "errorDocs", "Documentation of the errors", "error_docs",
          {200: None}, media_type="text/html"),
)  # fmt: skip

ROUTES: tuple[Route, ...] = (
    *PAYMENTS, *QR_CODES, *REFUNDS, *EVENTS, *WEBHOOKS, *ACCOUNT, *GATEWAYS, *ROUTING, *SERVICE,
)  # fmt: skip
BY_PLACE = {(route.path, route.method): route for route in ROUTES}
