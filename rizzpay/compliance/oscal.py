"""The report as OSCAL 1.1.3 assessment results (NIST), for tools that auditors own; pure.

A control on a host is an observation with its evidence; a control over all its hosts is a finding,
satisfied or not. What needs a person is an observation that somebody has yet to make, and its
finding is not satisfied. Ids are made of the report's id, so the same report gives the same file.
Structure: pages.nist.gov/OSCAL, assessment-results model, version 1.1.3.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from rizzpay.compliance.model import NO_HOST, OPEN, Host, Result, Status
from rizzpay.compliance.report import Report

VERSION = "1.1.3"
OURS = "https://rizzpay.example/ns/compliance"  # the namespace of properties that OSCAL has not
_NAMESPACE = uuid.UUID("6f0b6a8e-3f0c-5e8a-9a53-5b3f3c1e7a10")  # ours; any constant will do
_METHODS = {Status.NEEDS_ATTESTATION: "EXAMINE"}

Node = dict[str, Any]


def encode(report: Report) -> bytes:
    """Return the bytes of the file."""
    return json.dumps(document(report), indent=1, ensure_ascii=False).encode() + b"\n"


def document(report: Report) -> Node:
    """Return the assessment results."""
    by_control: dict[str, list[Result]] = {}
    for result in report.results:
        by_control.setdefault(result.control, []).append(result)
    return {
        "assessment-results": {
            "uuid": _uuid(report, "document"),
            "metadata": {
                "title": f"RizzPay compliance report {report.id}",
                "last-modified": report.made_at,
                "version": report.id,
                "oscal-version": VERSION,
                "roles": [{"id": "assessor", "title": "Assessor"}],
                "parties": [_party(report)],
            },
            "import-ap": {"href": f"#{_uuid(report, 'plan')}"},
            "results": [_result(report, by_control)],
            "back-matter": {"resources": [_plan(report)]},
        }
    }


def _party(report: Report) -> Node:
    tools = ", ".join(f"{name} {version}" for name, version in sorted(report.tools.items()))
    return {
        "uuid": _uuid(report, "party"),
        "type": "organization",
        "name": "rizzpay compliance run",
        "remarks": f"Tried by these tools: {tools}.",
    }


def _plan(report: Report) -> Node:
    return {
        "uuid": _uuid(report, "plan"),
        "title": "Catalogue of controls",
        "description": (
            f"{len(report.controls)} controls, SHA-256 {report.catalogue_sha256}; "
            "every row stands in report.json beside this file."
        ),
    }


def _result(report: Report, by_control: dict[str, list[Result]]) -> Node:
    found: Node = {
        "uuid": _uuid(report, "result"),
        "title": f"Controls on {len(report.hosts)} hosts",
        "description": f"Inventory {report.inventory}.",
        "start": report.started_at,
        "end": report.finished_at,
        "reviewed-controls": {
            "control-selections": [
                {"include-controls": [{"control-id": _token(name)} for name in by_control]}
            ]
        },
        "observations": [_observation(report, result) for result in report.results],
        "findings": [_finding(report, name, own) for name, own in by_control.items()],
    }
    if report.hosts:
        items = [_host(report, host) for host in report.hosts]
        found["local-definitions"] = {"inventory-items": items}
    return found


def _host(report: Report, host: Host) -> Node:
    facts = {
        "host": host.name,
        "system": host.system,
        "kernel": host.kernel,
        "release": host.release,
    }
    return {
        "uuid": _uuid(report, "host", host.name),
        "description": f"{host.name}: {', '.join(host.groups)}",
        "props": [_property(name, value) for name, value in facts.items() if value],
    }


def _observation(report: Report, result: Result) -> Node:
    control = report.controls[result.control]
    node: Node = {
        "uuid": _uuid(report, "observation", result.control, result.host),
        "title": f"{result.control} on {result.host}" if result.host != NO_HOST else result.control,
        "description": control.title,
        "props": [_property("status", result.status), _property("severity", control.severity)],
        "methods": [_METHODS.get(result.status, "TEST")],
        "types": ["finding" if result.status in OPEN else "control-objective"],
        "collected": result.at or report.made_at,
    }
    if result.host != NO_HOST:
        subject = _uuid(report, "host", result.host)
        node["subjects"] = [{"subject-uuid": subject, "type": "inventory-item"}]
    if result.evidence:
        node["relevant-evidence"] = [
            {
                "description": f"`{one.command}` ended with {one.exit_status}",
                "props": [_property("output-sha256", one.sha256)],
                **({"remarks": one.excerpt} if one.excerpt else {}),
            }
            for one in result.evidence
        ]
    if result.reason:
        node["remarks"] = result.reason
    return node


def _finding(report: Report, control_id: str, results: Sequence[Result]) -> Node:
    control = report.controls[control_id]
    good = {Status.PASSED, Status.NOT_APPLICABLE, Status.WAIVED}
    satisfied = all(result.status in good for result in results)
    worst = [result for result in results if result.status not in good]
    status: Node = {"state": "satisfied" if satisfied else "not-satisfied"}
    if worst:
        status["remarks"] = "; ".join(f"{one.host}: {one.reason}" for one in worst)
    return {
        "uuid": _uuid(report, "finding", control_id),
        "title": control.title,
        "description": control.rationale,
        "props": [_property("reference", ref) for ref in control.refs],
        "target": {
            "type": "objective-id",
            "target-id": _token(control_id),
            "title": control.title,
            "status": status,
        },
        "related-observations": [
            {"observation-uuid": _uuid(report, "observation", control_id, result.host)}
            for result in results
        ],
        "remarks": control.remedy,
    }


def _property(name: str, value: str) -> Node:
    return {"name": name, "ns": OURS, "value": " ".join(value.split())}


def _token(control_id: str) -> str:
    return control_id.lower()


def _uuid(report: Report, *names: str) -> str:
    """Return a UUID that is the same whenever this report is written (RFC 4122, version 5)."""
    return str(uuid.uuid5(_NAMESPACE, "/".join((report.id, report.inventory, *names))))
