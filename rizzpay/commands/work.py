"""`rizzpay work`: run the worker."""

# ruff: noqa: E402 - gevent has to patch before anything else is imported
from gevent import monkey

monkey.patch_all()

from pathlib import Path

import click

from rizzpay import config, worker
from rizzpay.infra import log


@click.command("work")
@click.option("--json", "as_json", is_flag=True, help="The log is JSON already; changes nothing.")
@click.pass_obj
def command(config_path: Path, *, as_json: bool) -> None:
    """Run jobs: webhooks, enquiries, expiry, audit sealing. Stops cleanly on SIGTERM."""
    del as_json
    settings = config.load(config_path)
    log.configure(settings.service.log_level)
    worker.run(settings)
