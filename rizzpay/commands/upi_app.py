"""`rizzpay upi-app`: a customer's UPI app, whose bank is the sandbox."""

import http.client
import importlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from rizzpay.core.errors import Misconfigured, Refused, Unavailable

TIMEOUT_S = 30
BEGINNINGS = ("upi://", "000201")  # a link, and EMVCo's format indicator
OK = 200


@click.command("upi-app")
@click.argument("code")
@click.option(
    "--sandbox",
    default="http://127.0.0.1:8090",
    show_default=True,
    help="The sandbox acquirer, as `rizzpay sandbox` says it.",
)
@click.option("--amount", type=click.IntRange(1), help="Paise, where the code leaves it open.")
@click.option("--decline", is_flag=True, help="Call it off instead of paying.")
@click.option(
    "--after-ms",
    type=click.IntRange(0, 600_000),
    default=0,
    show_default=True,
    help="How long the banks take to decide.",
)
@click.option(
    "--times", type=click.IntRange(1, 20), default=1, show_default=True, help="Pay so often."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    code: str,
    sandbox: str,
    amount: int | None,
    decline: bool,
    after_ms: int,
    times: int,
    as_json: bool,
) -> None:
    """Scan CODE and pay it at the sandbox: an image file, a upi:// link or the text of a BharatQR.

    Images need the extra: pip install 'rizzpay[scan]'.
    """
    scanned: dict[str, Any] = {
        "upi": code if code.startswith(BEGINNINGS) else _text_in(Path(code)),
        "act": "decline" if decline else "approve",
        "after_ms": after_ms,
        "times": times,
    }
    said = _post(sandbox, scanned | ({} if amount is None else {"amount": amount}))
    results = said.get("results", [said])
    if as_json:
        click.echo(json.dumps({"results": results}))
        return
    for result in results:
        click.echo(f"{result['status']} {result['amount']} {result.get('rrn') or '-'}")


def _text_in(path: Path) -> str:
    try:
        reading = importlib.import_module("rizzpay.infra.qr_reading")
    except ImportError:
        raise Misconfigured("images need the extra: pip install 'rizzpay[scan]'") from None
    text: str = reading.read(path)
    return text


def _post(sandbox: str, body: dict[str, Any]) -> dict[str, Any]:
    parts = urlsplit(sandbox)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/customer/scan", json.dumps(body))
        answer = connection.getresponse()
        said: dict[str, Any] = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable("sandbox", f"{sandbox} does not answer as the sandbox does") from error
    finally:
        connection.close()
    if answer.status != OK:
        raise Refused(said.get("error", "refused"), said.get("detail", ""))
    return said
