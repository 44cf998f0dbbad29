"""Makes the evaluation's SoftHSM token on a server; role hsm calls it once for a whole site.

A real HSM's token is made by its custodians, with its own tools: see hsm/ceremony.md.
"""

import argparse
from pathlib import Path

from appliance.embedded import softhsm


def main() -> None:
    """Make the token that the command line describes."""
    parser = argparse.ArgumentParser(description="Make a SoftHSM token for an evaluation.")
    for name in ("--config", "--officer-pin-file", "--user-pin-file"):
        parser.add_argument(name, type=Path, required=True)
    chosen = parser.parse_args()
    softhsm.make_token(chosen.config, chosen.officer_pin_file, chosen.user_pin_file)


if __name__ == "__main__":
    main()
