"""The documentation as two pages that need no network: the routes and the errors.

Both are made from the route table, the structs and the catalog, so they cannot say anything
that the service does not do. Every `curl` runs as it stands once the variables on top are set.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from html import escape
from string import Template
from typing import Any

from rizzpay.api import openapi
from rizzpay.api.catalog import CATALOG, Problem
from rizzpay.api.routes import ROUTES, Route
from rizzpay.payments.states import PAYMENTS

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1a1a1a}
h1,h2,h3{line-height:1.2}h3{border-top:1px solid #bbb;padding-top:1rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:#f2f2f2;padding:.75rem;overflow-x:auto}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #bbb;padding:.25rem .5rem;
text-align:left;vertical-align:top}.method{background:#1a1a1a;color:#fff;padding:.1rem .4rem}
a{color:#0645ad}nav ul{columns:2;padding-left:1rem}
"""
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>$style</style></head><body><main>
<h1>$title</h1>
$content
</main></body></html>
""")

INTRODUCTION = Template("""
<p>Every request is JSON over HTTPS with HTTP Basic: the key id is the user name, the secret the
password. The machine-readable form of this page is <a href="/openapi.json">/openapi.json</a>;
errors are explained in <a href="/docs/errors">/docs/errors</a>.</p>
<p>Set these once and every example below runs:</p>
<pre>export BASE_URL=$base_url
export CA_FILE=ca.pem KEY_ID=rk_test_… KEY_SECRET=…</pre>
<h2>What holds everywhere</h2>
<ul>
<li><b>Money</b> is an integer of the smallest unit: 50000 is ₹500.00. Decimals and texts are
refused.</li>
<li><b>Idempotency-Key</b>: a key of yours, 8 to 255 of A-Z a-z 0-9 _ : . -, new for every intent.
The same key with the same body is answered with the same bytes and
<code>Idempotency-Replayed: true</code>; with another body 422; while the first is at work 409. A
request that was refused before anything happened does not use the key up. Keys belong to a
merchant and mode and are kept for at least 7 days.</li>
<li><b>Outcomes</b>: 402 declined; 502 certainly not done; 504 not known: fetch the object, do not
send it again with a new key.</li>
<li><b>Pages</b>: <code>limit</code> 1 to 100, and <code>next_cursor</code> of the page before as
<code>cursor</code>, with the same filters. Newest first; what is added meanwhile neither shifts
nor repeats a page. Events are paged by <code>after_sequence</code>.</li>
<li><b>Limits</b>: a token bucket for each merchant and mode; the <code>RateLimit-*</code> headers
say what is left, 429 comes with <code>Retry-After</code>.</li>
<li><b>Cards</b>: card numbers, CVVs and PINs are refused wherever they stand.</li>
<li><b>Keys</b>: two live keys for rotation. A revoked key, also the one that asks, stops working
within two seconds.</li>
<li><b>X-Request-Id</b> of yours, 8 to 64 of A-Z a-z 0-9 _ -, is taken over; every answer has
one.</li>
</ul>
<h2>States of a payment</h2>
<table><tr><th>status</th><th>may become</th></tr>$states</table>
<h2>Routes</h2>
<nav><ul>$index</ul></nav>
""")


def routes_page(public_url: str) -> str:
    """Return the page of the routes."""
    document = openapi.document(public_url)
    states: dict[str, set[str]] = {}
    for (before, _), after in PAYMENTS.table.items():
        if after is not before:
            states.setdefault(before.value, set()).add(after.value)
    introduction = INTRODUCTION.substitute(
        base_url=escape(public_url),
        states=_rows((escape(name), ", ".join(sorted(to))) for name, to in states.items()),
        index="".join(
            f'<li><a href="#{route.operation}">{route.method} {escape(route.path)}</a></li>'
            for route in ROUTES
        ),
    )
    parts = [_route(route, document) for route in ROUTES]
    return PAGE.substitute(title="RizzPay API", style=STYLE, content=introduction + "".join(parts))


def errors_page() -> str:
    """Return the page of the errors, with an anchor for each code."""
    by_status = sorted(CATALOG.values(), key=lambda problem: (problem.status, problem.code))
    content = "<p>Every answer of 400 and above is one <code>error</code> object; its "
    content += "<code>doc</code> leads here.</p>" + "".join(_problem(one) for one in by_status)
    return PAGE.substitute(title="RizzPay errors", style=STYLE, content=content)


def curl(route: Route) -> str:
    """Return the command that calls a route; the shell fills in the variables."""
    lines = [f'curl --silent --show-error --cacert "$CA_FILE" --request {route.method}']
    if route.scope is not None:
        lines.append('--user "$KEY_ID:$KEY_SECRET"')
    if route.idempotency == "required":
        lines.append('--header "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)"')
    path = re.sub(r"{(\w+)}", lambda match: f"${{{match[1].upper()}}}", route.path)
    tail = ""
    if route.body is not None and (route.example is not None or not route.body_optional):
        lines.append("--header 'Content-Type: application/json' --data @-")
        tail = f" <<END\n{json.dumps(route.example or {}, indent=2)}\nEND"
    if route.raw_body:
        lines.append("--header 'Content-Type: application/json' --data '{}'")
    lines.append(f'"$BASE_URL{path}"')
    return " \\\n  ".join(lines) + tail


def _route(route: Route, document: dict[str, Any]) -> str:
    operation = document["paths"][route.path][route.method.lower()]
    parts = [
        (
            f'<h3 id="{route.operation}"><code class="method">{route.method}</code> '
            f"<code>{escape(route.path)}</code></h3><p>{escape(route.summary)}."
        ),
        f" Scope <code>{route.scope}</code>.</p>" if route.scope else "</p>",
        f"<pre>{escape(curl(route))}</pre>",
        _parameters(operation["parameters"]),
    ]
    if route.body is not None:
        parts.append(_fields(document["components"]["schemas"][route.body.__name__]))
    answers = ", ".join(
        f"{status} {struct.__name__ if struct is not None else ''}".strip()
        for status, struct in route.answers.items()
    )
    codes = ", ".join(f'<a href="/docs/errors#{code}">{code}</a>' for code in route.codes)
    parts.append(f"<p>Answers: {answers}. Refusals: {codes}.</p>")
    return "".join(parts)


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [
        (
            f"<code>{escape(one['name'])}</code> in {one['in']}",
            _limits(one["schema"], needed=one["required"]),
        )
        for one in parameters
    ]
    return f"<table><tr><th>parameter</th><th></th></tr>{_rows(rows)}</table>" if rows else ""


def _fields(schema: dict[str, Any]) -> str:
    needed = schema.get("required", [])
    rows = [
        (f"<code>{escape(name)}</code>", _limits(field, needed=name in needed))
        for name, field in schema["properties"].items()
    ]
    return f"<table><tr><th>field</th><th></th></tr>{_rows(rows)}</table>" if rows else ""


def _limits(schema: dict[str, Any], *, needed: bool) -> str:
    """Say what a value may be, in the words of the schema."""
    shown = dict(schema)
    text = str(shown.pop("description", ""))
    limits = json.dumps(shown, ensure_ascii=False).replace("#/components/schemas/", "")
    return f"{'needed. ' if needed else ''}{escape(text)} <code>{escape(limits)}</code>"


def _problem(problem: Problem) -> str:
    legacy = f", formerly {problem.legacy_code}" if problem.legacy_code else ""
    return (
        f'<h3 id="{problem.code}"><code>{problem.code}</code></h3>'
        f"<p>{problem.status}, type <code>{problem.kind}</code>, "
        f"recommended action <code>{problem.action}</code>{legacy}</p>"
        f"<p>{escape(problem.meaning)}</p><p><b>What to do:</b> {escape(problem.fix)}</p>"
    )


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<tr><td>{left}</td><td>{right}</td></tr>" for left, right in rows)
