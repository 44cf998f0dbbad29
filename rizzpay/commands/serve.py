"""`rizzpay serve`: run one API worker, by becoming gunicorn.

One arbiter and one worker (rizzpay/infra/http_server) on one Unix socket; there is one such pair
for each core that serves the API, so that HAProxy can drain, and systemd restart, one at a time.
"""

import os
import sys
from pathlib import Path

import click

from rizzpay import config
from rizzpay.core.errors import Misconfigured
from rizzpay.infra import service_manager

# Socket paths have at most 107 characters (sun_path in unix(7), less the zero at its end).
SOCKET_PATH_MAX = 107
GUNICORN = {
    "worker-class": "rizzpay.infra.http_server.worker.Worker",  # decision 0019
    "workers": "1",
    "worker-connections": "1024",  # HAProxy sends 512 at a time, and keeps idle ones
    "backlog": "512",
    "umask": "7",  # HAProxy's group may use the socket, nobody else
    # A worker that starts waits a minute for PostgreSQL and the HSM; afterwards this is how long
    # the event loop may stand still before the worker is replaced.
    "timeout": "90",
    "graceful-timeout": "20",  # a request to a gateway takes 7 s at most
    "log-level": "warning",
}


@click.command("serve")
@click.option(
    "--core", type=click.IntRange(0, 4095), required=True, help="Number of the worker's core."
)
@click.option("--pin", is_flag=True, help="Run on that core and no other.")
@click.option("--json", "as_json", is_flag=True, help="The log is JSON already; changes nothing.")
@click.pass_obj
def command(config_path: Path, *, core: int, pin: bool, as_json: bool) -> None:
    """Serve the API on the socket api-CORE.sock of the run directory. Stops on SIGTERM."""
    del as_json
    settings = config.load(config_path)
    run_dir = Path(settings.service.run_dir)
    socket = run_dir / f"api-{core}.sock"
    if len(str(socket)) > SOCKET_PATH_MAX:
        raise Misconfigured(f"service.run_dir: {socket} is too long for a Unix socket")
    if pin:
        _pin(core)
    metrics = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(run_dir / "metrics")))
    metrics.mkdir(mode=0o700, parents=True, exist_ok=True)
    service_manager.keep_for_worker()
    os.environ["RIZZPAY_CONFIG"] = str(config_path.resolve())
    os.execv(sys.executable, _arguments(socket, run_dir))  # noqa: S606 - our own interpreter


def _pin(core: int) -> None:
    try:
        os.sched_setaffinity(0, {core})
    except OSError as error:
        raise Misconfigured(f"--pin: core {core} is not ours to use: {error.strerror}") from None


def _arguments(socket: Path, run_dir: Path) -> list[str]:
    options = [f"--{name}={value}" for name, value in GUNICORN.items()]
    return [
        *(sys.executable, "-m", "gunicorn", *options),
        f"--bind=unix:{socket}",
        f"--worker-tmp-dir={run_dir}",  # the heartbeat file; a disk would stall it
        "--no-control-socket",
        "rizzpay.wsgi:get_app()",
    ]
