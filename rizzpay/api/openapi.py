"""The OpenAPI 3.1 document, generated from the route table and the structs that validate.

Nothing is written by hand twice: a field, a limit, a status or an error code that is not in the
table or the structs is not in the document, and the other way round.
"""

import re
from typing import Any

import msgspec
from msgspec import UNSET

from rizzpay.api import objects, qr_codes, routing_objects
from rizzpay.api.catalog import CATALOG
from rizzpay.api.facts import VERSION
from rizzpay.api.problems import ErrorAnswer
from rizzpay.api.routes import ROUTES, Route

ULID = "[0-9A-HJKMNP-TV-Z]{26}"
PLACES = {
    "payment_id": f"^pay_{ULID}$",
    "refund_id": f"^rfnd_{ULID}$",
    "qr_code_id": f"^qr_{ULID}$",
    "event_id": f"^evt_{ULID}$",
    "endpoint_id": f"^whe_{ULID}$",
    "key_id": f"^rk_(test|live)_{ULID}$",
    "gateway": "^[a-z0-9_-]{1,40}$",
    "version": "^[1-9][0-9]{0,17}$",
}
KEY_PATTERN = "^[A-Za-z0-9_:.-]{8,255}$"
MEANINGS = {200: "Done.", 201: "Made.", 204: "Gone."}

# Where an id of one answer is a parameter of another operation.
LINKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "createPayment": ("payment_id", ("getPayment", "capturePayment", "cancelPayment")),
    "createQrCode": ("qr_code_id", ("getQrCode", "listQrCodePayments", "closeQrCode")),
    "createRefund": ("refund_id", ("getRefund",)),
    "createWebhookEndpoint": (
        "endpoint_id",
        (
            "getWebhookEndpoint",
            "updateWebhookEndpoint",
            "rotateWebhookSecret",
            "listDeliveries",
            "deleteWebhookEndpoint",
        ),
    ),
    "createApiKey": ("key_id", ("getApiKey", "revokeApiKey")),
}


def encoded(public_url: str) -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(document(public_url))


def document(public_url: str) -> dict[str, Any]:
    """Return the document; `public_url` is the server that it names."""
    references, schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        operation = _operation(route, references, schemas)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "RizzPay",
            "version": VERSION,
            "description": "Take payments, capture and refund them, and be told what happens.",
        },
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "key_id as user name, key_secret as password.",
                }
            },
        },
    }


def _schemas() -> tuple[dict[type, dict[str, Any]], dict[str, Any]]:
    """Return a reference for every struct of the table, and the components they lead to."""
    structs: list[type[msgspec.Struct]] = [ErrorAnswer]
    for route in ROUTES:
        structs += [struct for struct in route.answers.values() if struct is not None]
        structs += [struct for struct in (route.query, route.body) if struct is not None]
    wanted = list(dict.fromkeys(structs))
    references, components = msgspec.json.schema_components(
        wanted, ref_template="#/components/schemas/{name}"
    )
    components = msgspec.json.decode(msgspec.json.encode(components))  # defaults are values of ours
    shown = {struct.__name__: struct for struct in _shown_structs()}
    for name, schema in components.items():
        if name in shown:
            schema["required"] = _always_there(shown[name])
    return dict(zip(wanted, references, strict=True)), components


def _shown_structs() -> list[type[msgspec.Struct]]:
    return [
        value
        for value in {**vars(objects), **vars(qr_codes), **vars(routing_objects)}.values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct)
    ]


def _always_there(struct: type[msgspec.Struct]) -> list[str]:
    """Return the fields that every answer has, also those with a default."""
    return [
        field.encode_name for field in msgspec.structs.fields(struct) if field.default is not UNSET
    ]


def _operation(
    route: Route, references: dict[type, dict[str, Any]], schemas: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [route.tag],
        "security": [{"basic": []}] if route.scope is not None else [],
        "parameters": [*_places(route), *_key_header(route), *_query(route, schemas)],
        "responses": _responses(route, references),
    }
    if route.scope is not None:
        operation["description"] = f"Needs the scope `{route.scope}`."
    if route.body is not None:
        content: dict[str, Any] = {"schema": references[route.body]}
        if route.example is not None:
            content["example"] = route.example
        operation["requestBody"] = {
            "required": not route.body_optional,
            "content": {"application/json": content},
        }
    if route.raw_body:
        operation["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    return operation


def _places(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": PLACES[name]},
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _key_header(route: Route) -> list[dict[str, Any]]:
    if route.idempotency == "no":
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": route.idempotency == "required",
            "description": "Yours; new for every intent, the same for every retry of it.",
            "schema": {"type": "string", "pattern": KEY_PATTERN},
        }
    ]


def _query(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    struct = schemas[route.query.__name__]
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(schema)}
        for name, schema in struct["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: one that is missing is missing, not null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return dict(kinds[0])
    without: dict[str, Any] = {
        name: value for name, value in schema.items() if name != "default" or value is not None
    }
    if None in without.get("enum", ()):
        without["enum"] = [value for value in without["enum"] if value is not None]
    return without


def _responses(route: Route, references: dict[type, dict[str, Any]]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, struct in route.answers.items():
        response: dict[str, Any] = {"description": MEANINGS.get(status, "Not ready.")}
        if struct is not None:
            response["content"] = {route.media_type: {"schema": references[struct]}}
        elif status != 204:  # noqa: PLR2004 - No Content, RFC 9110 section 15.3.5
            kind = "object" if route.media_type == "application/json" else "string"
            response["content"] = {route.media_type: {"schema": {"type": kind}}}
        if route.operation in LINKS:
            response["links"] = _links(route.operation)
        responses[str(status)] = response
    for status in sorted({status for code in route.codes for status in _statuses(code)}):
        codes = [code for code in route.codes if status in _statuses(code)]
        refused = _refused(codes, references[ErrorAnswer])
        if str(status) in responses:  # readiness answers 503 with its own object
            continue
        responses[str(status)] = refused
    return responses


def _statuses(code: str) -> set[int]:
    """Return with which statuses a code comes: the proxy breaks off with two."""
    return {502, 504} if code == "interrupted" else {CATALOG[code].status}


def _refused(codes: list[str], reference: dict[str, Any]) -> dict[str, Any]:
    narrowed = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {"application/json": {"schema": {"allOf": [reference, narrowed]}}},
    }


def _links(operation: str) -> dict[str, Any]:
    parameter, targets = LINKS[operation]
    return {
        target: {"operationId": target, "parameters": {parameter: "$response.body#/id"}}
        for target in targets
    }
