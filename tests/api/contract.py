"""Every answer that a test of the API sees is held against the OpenAPI document."""

import re
from typing import Any

from openapi_schema_validator import OAS31Validator

from rizzpay.api import openapi

DOCUMENT = openapi.document("https://127.0.0.1:8443")
# A dot ends an id: what stands behind it is a path of its own.
PATHS = {path: re.compile(re.sub(r"{\w+}", "[^/.]+", path)) for path in DOCUMENT["paths"]}


def check(method: str, path: str, answer: Any) -> None:
    """Fail when the document does not know an answer; unknown paths and methods are let be."""
    operation = operation_of(method, path)
    if operation is None:
        return
    documented = operation["responses"].get(str(answer.status))
    assert documented, f"{method} {path}: {answer.status} is not documented: {answer.body!r}"
    content = documented.get("content")
    if content is None:
        assert answer.body == b""
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content, f"{method} {path}: {media_type} is not documented"
    if media_type == "application/json":
        schema = {**content[media_type]["schema"], "components": DOCUMENT["components"]}
        OAS31Validator(schema).validate(answer.json())


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the operation that a request meets; a fixed path goes before a template."""
    known = DOCUMENT["paths"]
    fitting = [path] if path in known else [p for p in known if PATHS[p].fullmatch(path)]
    return known[fitting[0]].get(method.lower()) if fitting else None
