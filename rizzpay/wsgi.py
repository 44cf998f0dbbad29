"""What gunicorn loads in each API worker: `get_app()`, and nothing else."""

from gevent import monkey

monkey.patch_all()

import os
from pathlib import Path

from rizzpay import app, config
from rizzpay.api.refusals import App
from rizzpay.infra import log


def get_app() -> App:
    """Return the application of the installation that RIZZPAY_CONFIG names."""
    settings = config.load(Path(os.environ["RIZZPAY_CONFIG"]))
    log.configure(settings.service.log_level)
    return app.build(settings)
