"""`python -m appliance.bundle` makes a bundle where a network is, and uses it where none is.

The program beside a bundle, `python3 FILE.pyz`, is this one without `build` and `key`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from appliance.bundle import archive, install, keys
from appliance.bundle.archive import Refused

EXIT_REFUSED = 1
SITES = ("ha", "single", "two_sites")
SUITES = ("trixie", "bookworm")


def main() -> None:
    """Do what the command line asks for."""
    chosen = _parser().parse_args()
    try:
        chosen.run(chosen)
    except (Refused, keys.WrongKey) as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        raise SystemExit(EXIT_REFUSED) from None
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"failed: {error}", file=sys.stderr)
        raise SystemExit(EXIT_REFUSED) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    verbs = parser.add_subparsers(required=True)
    key = verbs.add_parser("key", help="make the pair of keys that signs and verifies")
    key.add_argument("private", type=Path, help="kept where bundles are built; new")
    key.add_argument("public", type=Path, help="given to who installs; new")
    key.set_defaults(run=_key)
    build = verbs.add_parser("build", help="collect and sign a bundle; needs a network")
    build.add_argument("--output", type=Path, required=True, help="the file, such as rizzpay.tar")
    build.add_argument("--key", type=Path, required=True, help="the private key")
    build.add_argument("--suite", choices=SUITES, default=SUITES[0], help="Debian of the servers")
    build.set_defaults(run=_build)
    verify = verbs.add_parser("verify", help="check every byte; writes nothing")
    verify.set_defaults(run=_verify)
    install_ = verbs.add_parser("install", help="make this machine a controller")
    install_.add_argument("--into", type=Path, required=True, help="directory for the release")
    install_.add_argument("--inventory", type=Path, help="directory of the site's inventory")
    install_.add_argument(
        "--like", choices=SITES, default=SITES[0], help="what a new inventory begins as"
    )
    install_.set_defaults(run=_install)
    for one in (verify, install_):
        one.add_argument("file", type=Path, help="the bundle")
        one.add_argument("--key", type=Path, required=True, help="the public key")
    return parser


def _key(chosen: argparse.Namespace) -> None:
    keys.make(chosen.private, chosen.public)
    print(f"fingerprint {keys.fingerprint(keys.read_public(chosen.public))}")


def _build(chosen: argparse.Namespace) -> None:
    from appliance.bundle.build import build  # noqa: PLC0415 - is not beside a bundle

    built = build(chosen.output.resolve(), chosen.key, chosen.suite)
    size_mb = built.file.stat().st_size / 1e6
    print(f"{built.file}: {size_mb:.0f} MB, {len(built.manifest.files)} files")
    print(f"sha256 {built.sha256}")
    public = keys.read_private(chosen.key).public_key()
    print(f"signed with {keys.fingerprint(public)}")
    print(f"{built.installer} verifies and installs it")


def _verify(chosen: argparse.Namespace) -> None:
    manifest = archive.verify(chosen.file, keys.read_public(chosen.key))
    for name, value in manifest.about.items():
        print(f"{name}: {value}")
    print(f"{len(manifest.files)} files, every byte as it was signed")


def _install(chosen: argparse.Namespace) -> None:
    key = keys.read_public(chosen.key)
    into = chosen.into.resolve()
    done = install.install(chosen.file, key, into, chosen.inventory, chosen.like)
    print(f"playbooks: {done.directory}/appliance/ansible")
    print(f"programs: {done.ansible}")
    if done.variables:
        print(f"the inventory knows it by {done.variables}")


if __name__ == "__main__":
    main()
