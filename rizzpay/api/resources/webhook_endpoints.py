"""Webhook endpoints: add, list, fetch, change, delete, rotate the secret."""

from typing import Any

import falcon
from msgspec import UnsetType

from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import WebhookEndpointList, WebhookEndpointObject
from rizzpay.api.resources.deliveries import author_of
from rizzpay.api.schemas import WebhookEndpointBody, WebhookEndpointChange
from rizzpay.api.views import when
from rizzpay.core import clock
from rizzpay.core.clock import unix_s
from rizzpay.webhooks.model import (
    Endpoint,
    EndpointChanges,
    EndpointStatus,
    EndpointWithSecret,
    NewEndpoint,
)
from rizzpay.webhooks.service import Webhooks

URL = "/v1/webhook_endpoints"


class WebhookEndpointsResource:
    """All endpoints of the caller."""

    def __init__(self, webhooks: Webhooks) -> None:
        """Keep the service."""
        self._webhooks = webhooks

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Add an endpoint; the answer has its secret."""
        body = req.checked_body(WebhookEndpointBody)
        new = NewEndpoint(body.url, tuple(body.event_types), body.description)
        made = self._webhooks.create_endpoint(author_of(req), new, clock.now())
        send(resp, 201, _with_secret(made))

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List endpoints."""
        data = [_shown(one) for one in self._webhooks.list_endpoints(req.caller.tenant)]
        shown = WebhookEndpointList(url=URL, has_more=False, next_cursor=None, data=data)
        send(resp, 200, shown)


class WebhookEndpointResource:
    """One endpoint."""

    def __init__(self, webhooks: Webhooks) -> None:
        """Keep the service."""
        self._webhooks = webhooks

    def on_get(self, req: ApiRequest, resp: falcon.Response, endpoint_id: str) -> None:
        """Fetch an endpoint."""
        send(resp, 200, _shown(self._webhooks.get_endpoint(req.caller.tenant, endpoint_id)))

    def on_patch(self, req: ApiRequest, resp: falcon.Response, endpoint_id: str) -> None:
        """Change an endpoint."""
        body = req.checked_body(WebhookEndpointChange)
        event_types = _given(body.event_types)
        status = _given(body.status)
        changes = EndpointChanges(
            url=_given(body.url),
            event_types=tuple(event_types) if event_types is not None else None,
            description=_given(body.description),
            status=EndpointStatus(status) if status is not None else None,
        )
        after = self._webhooks.update_endpoint(author_of(req), endpoint_id, changes, clock.now())
        send(resp, 200, _shown(after))

    def on_delete(self, req: ApiRequest, resp: falcon.Response, endpoint_id: str) -> None:
        """Delete an endpoint."""
        self._webhooks.delete_endpoint(author_of(req), endpoint_id, clock.now())
        resp.status = 204


class RotateSecretResource:
    """The signing secret of an endpoint."""

    def __init__(self, webhooks: Webhooks) -> None:
        """Keep the service."""
        self._webhooks = webhooks

    def on_post(self, req: ApiRequest, resp: falcon.Response, endpoint_id: str) -> None:
        """Make a new secret."""
        made = self._webhooks.rotate_secret(author_of(req), endpoint_id, clock.now())
        send(resp, 200, _with_secret(made))


def _given(value: Any) -> Any:
    return None if isinstance(value, UnsetType) else value


def _with_secret(made: EndpointWithSecret) -> WebhookEndpointObject:
    return _shown(made.endpoint, secret=made.secret.reveal())


def _shown(it: Endpoint, secret: str | None = None) -> WebhookEndpointObject:
    status: Any = it.status.value
    extra: dict[str, Any] = {"secret": secret} if secret is not None else {}
    return WebhookEndpointObject(
        id=it.id,
        livemode=it.tenant.livemode,
        url=it.url,
        description=it.description,
        event_types=list(it.event_types),
        status=status,
        disabled_reason=it.disabled_reason.value if it.disabled_reason else None,
        created_at=unix_s(it.created_at),
        updated_at=unix_s(it.updated_at),
        previous_secret_expires_at=when(it.previous_secret_expires_at),
        **extra,
    )
