"""API keys: make, list, fetch, revoke."""

from datetime import datetime
from typing import Any

import falcon

from rizzpay.api import intake
from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import ApiKeyList, ApiKeyObject
from rizzpay.api.schemas import ApiKeyBody
from rizzpay.api.views import when
from rizzpay.core import clock
from rizzpay.core.clock import unix_s
from rizzpay.merchants.model import ApiKey, NewKey
from rizzpay.merchants.service import Merchants

URL = "/v1/api_keys"


class ApiKeysResource:
    """All keys of the caller's merchant and mode."""

    def __init__(self, merchants: Merchants) -> None:
        """Keep the service."""
        self._merchants = merchants

    def on_post(self, req: ApiRequest, resp: falcon.Response) -> None:
        """Make a key; the secret is in this answer and nowhere else."""
        body = req.checked_body(ApiKeyBody)
        caller = req.caller
        new = NewKey(
            label=body.label,
            scopes=tuple(sorted(set(body.scopes or caller.scopes))),
            allowed_cidrs=tuple(body.allowed_cidrs),
            expires_at=intake.at(body.expires_at),
        )
        now = clock.now()
        made = self._merchants.create_key(caller.tenant, new, caller.scopes, caller.key_id, now)
        send(resp, 201, _shown(made.key, now, secret=made.secret.reveal()))

    def on_get(self, req: ApiRequest, resp: falcon.Response) -> None:
        """List keys."""
        now = clock.now()
        data = [_shown(key, now) for key in self._merchants.keys(req.caller.tenant)]
        send(resp, 200, ApiKeyList(url=URL, has_more=False, next_cursor=None, data=data))


class ApiKeyResource:
    """One key."""

    def __init__(self, merchants: Merchants) -> None:
        """Keep the service."""
        self._merchants = merchants

    def on_get(self, req: ApiRequest, resp: falcon.Response, key_id: str) -> None:
        """Fetch a key."""
        send(resp, 200, _shown(self._merchants.key(req.caller.tenant, key_id), clock.now()))

    def on_delete(self, req: ApiRequest, resp: falcon.Response, key_id: str) -> None:
        """Revoke a key; every process follows within two seconds."""
        now = clock.now()
        caller = req.caller
        key = self._merchants.revoke_key(caller.tenant, key_id, caller.key_id, now)
        send(resp, 200, _shown(key, now))


def _shown(key: ApiKey, now: datetime, secret: str | None = None) -> ApiKeyObject:
    scopes: Any = list(key.scopes)
    extra: dict[str, Any] = {"secret": secret} if secret is not None else {}
    return ApiKeyObject(
        id=key.id,
        livemode=key.tenant.livemode,
        label=key.label,
        scopes=scopes,
        allowed_cidrs=list(key.allowed_cidrs),
        status=_status(key, now),
        created_at=unix_s(key.created_at),
        expires_at=when(key.expires_at),
        revoked_at=when(key.revoked_at),
        last_used_at=when(key.last_used_at),
        **extra,
    )


def _status(key: ApiKey, now: datetime) -> Any:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"
