"""Who runs a command, as the audit trail names him."""

import getpass
import os


def operator() -> str:
    """Return `operator:NAME`, behind sudo the person's own name."""
    return f"operator:{os.environ.get('SUDO_USER') or getpass.getuser()}"
