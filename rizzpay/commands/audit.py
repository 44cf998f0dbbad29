"""`rizzpay audit`: recompute the trail's chain, check its signatures, see how far sealing is.

Reads with the worker's role and changes nothing. The public keys come from the HSM, or from files
that an auditor brings along: then neither HSM nor operator has to be believed.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from rizzpay import config
from rizzpay.audit import service
from rizzpay.audit.model import Checkpoint, Head, Status
from rizzpay.audit.service import Anchor, Report, Scope
from rizzpay.audit.verifying import Finding
from rizzpay.core import clock
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.hsm.inventory import AUDIT_SIGNER
from rizzpay.infra.hsm.protocol import HsmRefused

ANCHOR = re.compile(r"([1-9][0-9]{0,18}):([0-9a-f]{64})")

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


class AnchorType(click.ParamType[Anchor]):
    """POSITION:HASH, as `status` prints the head."""

    name = "position:hash"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Anchor:
        """Return the anchor; the hash is 64 hexadecimal digits."""
        match = ANCHOR.fullmatch(str(value).lower())
        if match is None:
            self.fail("write it as POSITION:HASH, the hash as 64 hexadecimal digits", param, ctx)
        return Anchor(int(match[1]), bytes.fromhex(match[2]))


@click.group("audit")
def command() -> None:
    """Prove that the audit trail is whole, and see how far it is sealed."""


@command.command("verify")
@click.option(
    "--from-position",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Begin here and trust what stands before.",
)
@click.option(
    "--public-key",
    "files",
    multiple=True,
    metavar="[LABEL=]FILE",
    help="A signing key's public part, PEM or DER, instead of asking the HSM; may be repeated.",
)
@click.option(
    "--anchor",
    type=AnchorType(),
    help="A head that was written down before: the chain must still contain it.",
)
@AS_JSON
@click.pass_obj
def verify(
    config_path: Path,
    *,
    from_position: int,
    files: tuple[str, ...],
    anchor: Anchor | None,
    as_json: bool,
) -> None:
    """Recompute every hash, check every signature, and name the first row that is wrong.

    Exit status 1 when anything sealed was altered, removed, inserted or reordered.
    """
    with _opened(config_path) as (settings, database):
        labels = service.signing_labels(database)
        keys = _keys_of_files(files, labels) if files else _keys_of_hsm(settings, labels)
        with _progress(shown=not as_json) as progress:
            report = service.verify(
                database, keys, clock.now(), Scope(from_position, anchor), progress
            )
    if as_json:
        click.echo(json.dumps(_report_view(report)))
    else:
        _print_report(report)
    if not report.ok:
        raise click.exceptions.Exit(1)


@command.command("status")
@AS_JSON
@click.pass_obj
def status(config_path: Path, *, as_json: bool) -> None:
    """Say where the chain ends, what waits to be sealed, and what was signed last.

    Write the head down outside this machine: it is the anchor for a later `verify --anchor`.
    """
    with _opened(config_path) as (_, database):
        found = service.status(database, clock.now())
    if as_json:
        click.echo(json.dumps(_status_view(found)))
    else:
        _print_status(found)


@command.command("export")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write; it must not exist.",
)
@click.option(
    "--from-position",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Begin here.",
)
@AS_JSON
@click.pass_obj
def export(config_path: Path, *, output: Path, from_position: int, as_json: bool) -> None:
    """Write the sealed trail to a file, a line of JSON for each position.

    docs/audit.md shows a verifier that needs this file, a public key, and nothing of RizzPay.
    """
    with _opened(config_path) as (_, database):
        count = 0
        try:
            with output.open("x", encoding="utf-8") as file:
                for line in service.export(database, from_position):
                    file.write(line + "\n")
                    count += 1
        except OSError as error:
            raise click.ClickException(f"{output}: {error.strerror}") from None
    told = {"output": str(output), "links": count}
    click.echo(json.dumps(told) if as_json else f"{count} links in {output}")


@command.command("public-key")
@click.argument("label", required=False)
@AS_JSON
@click.pass_obj
def public_key(config_path: Path, *, label: str | None, as_json: bool) -> None:
    """Print the public part of LABEL, or of the active signing key, as PEM.

    Keep it where the operators of this machine cannot change it.
    """
    hsm = HsmClient(config.load(config_path).hsm.socket)
    name = label or hsm.active(AUDIT_SIGNER)
    pem = _pem(hsm.public_key(name))
    click.echo(json.dumps({"label": name, "public_key": pem}) if as_json else pem, nl=as_json)


@contextmanager
def _opened(config_path: Path) -> Iterator[tuple[config.Config, Database]]:
    settings = config.load(config_path)
    database = Database(settings.database, Role.WORKER, size=1)
    try:
        yield settings, database
    finally:
        database.close()


def _keys_of_hsm(settings: config.Config, labels: list[str]) -> dict[str, bytes]:
    """Ask the HSM; a label that it does not know is left out, and its checkpoints not believed."""
    hsm = HsmClient(settings.hsm.socket)
    keys = {}
    for label in labels:
        try:
            keys[label] = hsm.public_key(label)
        except HsmRefused as refused:
            click.echo(f"{label}: {refused.message}", err=True)
    return keys


def _keys_of_files(files: tuple[str, ...], labels: list[str]) -> dict[str, bytes]:
    """Read the files; one without a label stands for every label that has none of its own."""
    named: dict[str, bytes] = {}
    for text in files:
        label, _, path = text.rpartition("=")
        named[label] = _der(Path(path))
    fallback = named.pop("", None)
    if fallback is not None:
        named = dict.fromkeys(labels, fallback) | named
    return named


def _pem(der: bytes) -> str:
    key = load_der_public_key(der)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _der(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    load = load_pem_public_key if raw.startswith(b"-----") else load_der_public_key
    try:
        return load(raw).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError:
        raise click.ClickException(f"{path} is not a public key in PEM or DER") from None


@contextmanager
def _progress(*, shown: bool) -> Iterator[service.Progress | None]:
    """Show a bar to whoever watches a terminal; nobody else."""
    if not (shown and sys.stderr.isatty()):
        yield None
        return
    columns = ("verifying", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("links", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_report(report: Report) -> None:
    last = _checkpoint_text(report.last_checkpoint)
    click.echo(f"links        {report.links} verified, from position {report.from_position}")
    click.echo(f"head         {_head_text(report.head)}")
    click.echo(f"checkpoints  {report.checkpoints}; last {last}")
    click.echo(f"unsealed     {_unsealed_text(report.unsealed, report.oldest_unsealed_s)}")
    for finding in report.findings:
        click.echo(f"WRONG        {_finding_text(finding)}")
    if report.truncated:
        click.echo("WRONG        and more than can be listed")
    click.echo("the trail is whole" if report.ok else "the trail was tampered with")


def _print_status(found: Status) -> None:
    click.echo(f"head         {_head_text(found.head)}")
    click.echo(f"checkpoint   {_checkpoint_text(found.checkpoint)}")
    click.echo(f"unsealed     {_unsealed_text(found.unsealed, found.oldest_unsealed_s)}")


def _head_text(head: Head) -> str:
    return f"{head.position}:{head.hash.hex()}" if head.position else "nothing is sealed yet"


def _checkpoint_text(made: Checkpoint | None) -> str:
    if made is None:
        return "none"
    return f"at position {made.position}, {made.signed_at}, by {made.key_label}"


def _unsealed_text(count: int, oldest_s: int | None) -> str:
    return f"{count} rows, the oldest for {oldest_s} s" if oldest_s is not None else "0 rows"


def _finding_text(finding: Finding) -> str:
    place = f"position {finding.position}" if finding.position is not None else "outside the chain"
    row = f", audit row {finding.audit_id}" if finding.audit_id is not None else ""
    return f"{finding.kind.value} at {place}{row}: {finding.detail}"


def _report_view(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "from_position": report.from_position,
        "links": report.links,
        "head": _head_view(report.head),
        "checkpoints": report.checkpoints,
        "last_checkpoint": _checkpoint_view(report.last_checkpoint),
        "unsealed": report.unsealed,
        "oldest_unsealed_s": report.oldest_unsealed_s,
        "findings": [
            {
                "kind": finding.kind.value,
                "position": finding.position,
                "audit_id": finding.audit_id,
                "detail": finding.detail,
            }
            for finding in report.findings
        ],
        "truncated": report.truncated,
    }


def _status_view(found: Status) -> dict[str, Any]:
    return {
        "head": _head_view(found.head),
        "checkpoint": _checkpoint_view(found.checkpoint),
        "unsealed": found.unsealed,
        "oldest_unsealed_s": found.oldest_unsealed_s,
    }


def _head_view(head: Head) -> dict[str, Any]:
    return {"position": head.position, "hash": head.hash.hex()}


def _checkpoint_view(made: Checkpoint | None) -> dict[str, Any] | None:
    if made is None:
        return None
    return {
        "position": made.position,
        "hash": made.hash.hex(),
        "signed_at": made.signed_at,
        "key_label": made.key_label,
        "signature": made.signature.hex(),
    }
