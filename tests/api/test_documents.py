"""OpenAPI, the docs pages and the catalog say what the service does, all of it and nothing else."""

import re
import subprocess
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from rizzpay.api import docs, openapi, views
from rizzpay.api.catalog import CATALOG
from rizzpay.api.routes import ROUTES
from rizzpay.gateways.declines import REASONS

ROOT = Path(__file__).parents[2]
DOCUMENT = openapi.document("https://pay.example")
# Refusals of commands and of rizzpay-hsmd have codes of their own; they never reach the API.
NOT_THE_API = ("commands", "infra/hsm", "sandbox", "ledger")


def test_the_document_is_valid_openapi_3_1():
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"


def test_document_and_application_have_the_same_routes(application):
    served = set()

    def walk(node, path):
        if node.resource is not None:
            methods = {m for m in ("GET", "POST", "PUT", "PATCH", "DELETE") if _has(node, m)}
            served.update((node.uri_template, method) for method in methods)
        for child in node.children:
            walk(child, path)

    for node in application._router._roots:
        walk(node, "")
    documented = {
        (path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    assert documented == served == {(route.path, route.method) for route in ROUTES}


def _has(node, method):
    return hasattr(node.resource, f"on_{method.lower()}")


def test_operation_ids_are_unique_and_every_answer_is_described():
    operations = [
        operation for methods in DOCUMENT["paths"].values() for operation in methods.values()
    ]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert all(response["description"] for response in operation["responses"].values())


def test_links_lead_to_operations_that_are_there():
    known = {route.operation for route in ROUTES}
    linked = {target for _, targets in openapi.LINKS.values() for target in targets}
    assert set(openapi.LINKS) | linked <= known


def test_the_served_document_is_the_generated_one(client, settings):
    answer = client.get("/openapi.json", headers={"Authorization": ""})
    assert answer.json() == openapi.document(settings.service.public_url)


def test_every_code_of_a_route_is_in_the_catalog():
    assert {code for route in ROUTES for code in route.codes} <= set(CATALOG)


def test_every_code_that_is_raised_is_in_the_catalog():
    raised = set()
    for path in sorted((ROOT / "rizzpay").rglob("*.py")):
        name = path.relative_to(ROOT / "rizzpay").as_posix()
        if not name.startswith(NOT_THE_API):
            raised |= set(re.findall(r'\bRefused\(\s*"([a-z_]+)"', path.read_text()))
    assert raised
    assert raised <= set(CATALOG)


def test_every_code_can_be_met_on_some_route():
    met = {code for route in ROUTES for code in route.codes}
    assert set(CATALOG) == met


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_decline_becomes_a_402_or_a_502(reason):
    failure = {"reason": reason, "recommended_action": REASONS[reason], "gateway_code": "X1"}
    answer = views._declined(failure, "payment_declined", "req_1", views._about("g", failure))
    assert answer.status in {402, 502}
    assert reason.encode() in answer.body


def test_the_pages_need_no_network_and_allow_no_script():
    for page in (docs.routes_page("https://pay.example"), docs.errors_page()):
        assert not re.search(r"<script|<link|<img|<iframe|@import|url\(", page)
        assert (
            "https://" not in page.replace("https://pay.example", "").replace("https://1", "")
            or re.findall(r'(?:src|href)="https?://', page) == []
        )
        assert set(re.findall(r'href="([^"#]*)', page)) <= {"", "/openapi.json", "/docs/errors"}


def test_the_pages_are_served_under_a_policy_that_fits_their_style(client):
    for path in ("/docs", "/docs/errors"):
        answer = client.get(path, headers={"Authorization": ""})
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "'unsafe-inline'" not in policy
        assert answer.body.count(b"<style>") == 1
        assert b' style="' not in answer.body


def test_every_code_has_an_anchor(client):
    page = client.get("/docs/errors").body.decode()
    anchors = set(re.findall(r'id="([a-z_0-9]+)"', page))
    assert anchors == set(CATALOG)
    routes = client.get("/docs").body.decode()
    assert set(re.findall(r'href="/docs/errors#([a-z_0-9]+)"', routes)) <= anchors


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_route_has_a_curl_that_the_shell_reads(route):
    command = docs.curl(route)
    subprocess.run(["bash", "-n"], input=command, text=True, check=True)
    assert f"--request {route.method}" in command
    assert ("$KEY_ID:$KEY_SECRET" in command) == (route.scope is not None)


def test_examples_pass_their_own_schema():
    from rizzpay.api import schemas

    for route in ROUTES:
        if route.example is not None and "$" not in str(route.example):
            assert schemas.check(route.example, route.body)
