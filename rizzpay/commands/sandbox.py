"""`rizzpay sandbox`: runs the sandbox acquirer in this process until it is told to stop."""

from pathlib import Path

import click

from rizzpay.config import read_secret
from rizzpay.core.errors import Misconfigured
from rizzpay.sandbox.server import serve
from rizzpay.sandbox.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=False)
PORT_MAX = 65_535


@click.command("sandbox")
@click.option("--listen", default="127.0.0.1:8090", show_default=True, help="HOST:PORT.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory of its memory; made when missing.",
)
@click.option("--key-id", default="sandbox", show_default=True, help="Who signs requests.")
@click.option("--secret-file", type=FILE, required=True, help="What requests are signed with.")
@click.option(
    "--callback-secret-file", type=FILE, required=True, help="What callbacks are signed with."
)
@click.option("--callback-ca-file", type=FILE, help="Authorities of callbacks over https.")
@click.option(
    "--callback-url-prefix",
    multiple=True,
    help="Where callbacks may go; repeatable. Default: loopback only.",
)
@click.option("--public-url", default="", help="Base of hosted pages. Default: http://LISTEN.")
@click.option("--latency-ms", type=click.IntRange(0, 60_000), default=0, show_default=True)
@click.option("--slow-ms", type=click.IntRange(0, 600_000), default=2000, show_default=True)
@click.option("--hang-s", type=click.FloatRange(0, 3600), default=30.0, show_default=True)
@click.option("--approve-after-ms", type=click.IntRange(0, 600_000), default=300, show_default=True)
@click.option("--late-after-s", type=click.FloatRange(0, 864_000), default=900.0, show_default=True)
def command(
    *,
    listen: str,
    data: Path,
    secret_file: Path,
    callback_secret_file: Path,
    callback_ca_file: Path | None,
    callback_url_prefix: tuple[str, ...],
    **plain: float | str,
) -> None:
    """Run the sandbox acquirer: it behaves like a bank and moves no money.

    Prints `ready URL` when it listens. GET / of that URL lists the magic values.
    """
    host, colon, port = listen.rpartition(":")
    if not (colon and port.isdigit() and int(port) <= PORT_MAX):
        raise Misconfigured("--listen is HOST:PORT, as in 127.0.0.1:8090")
    if callback_ca_file is not None and not callback_ca_file.is_file():
        raise Misconfigured(f"--callback-ca-file {callback_ca_file} does not exist")
    settings = Settings(
        host=host.strip("[]"),
        port=int(port),
        data=data,
        secret=read_secret(str(secret_file)),
        callback_secret=read_secret(str(callback_secret_file)),
        callback_ca_file=str(callback_ca_file or ""),
        callback_url_prefixes=callback_url_prefix,
        **plain,  # type: ignore[arg-type]  # click has checked names and types
    )
    serve(settings)
