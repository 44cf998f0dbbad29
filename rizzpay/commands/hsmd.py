"""`rizzpay hsmd`: run rizzpay-hsmd, the one process that speaks PKCS#11."""

import os
import signal
from pathlib import Path

import click

from rizzpay import config
from rizzpay.infra import log, service_manager
from rizzpay.infra.hsm import inventory
from rizzpay.infra.hsm.daemon import Daemon, harden


@click.command("hsmd")
@click.option("--json", "as_json", is_flag=True, help="The log is JSON already; changes nothing.")
@click.option(
    "--config",
    "own_config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The installation's settings, as `rizzpay --config`.",
)
@click.pass_obj
def command(config_path: Path, *, as_json: bool, own_config: Path | None) -> None:
    """Serve the HSM on its socket. Starts without a token and logs in when there is one."""
    del as_json
    settings = config.load(own_config or config_path)
    log.configure(settings.service.log_level)
    if settings.hsm.softhsm_config:
        os.environ["SOFTHSM2_CONF"] = settings.hsm.softhsm_config  # read by the module at start
    daemon = Daemon(
        settings.hsm, inventory.read(Path(settings.hsm.inventory)), service_manager.tell
    )
    signal.signal(signal.SIGTERM, daemon.stop)
    signal.signal(signal.SIGINT, daemon.stop)
    harden()
    raise SystemExit(daemon.serve())
