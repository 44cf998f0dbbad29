"""Installs what RizzPay needs, for script/bootstrap: Debian's packages, then the locked ones.

Runs with the system's Python before anything is installed, so it uses the standard library only.
What was installed is remembered by the hash of its lock, so a second run has nothing to do.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCKS = {"server": "requirements.lock", "dev": "requirements-dev.lock"}
# Debian's packages of docs/lab.md, and a program of each.
LAB_PROGRAMS = {
    "systemd-container": "systemd-nspawn",
    "debootstrap": "debootstrap",
    "iproute2": "ip",
    "nftables": "nft",
    "openssh-client": "ssh",
    "apt-cacher-ng": "apt-cacher-ng",
    "e2fsprogs": "mkfs.ext4",
}
EXIT_MISSING = 2
SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def main() -> None:
    """Install what is missing; the only argument is --dev or --lab."""
    arguments = sys.argv[1:]
    if arguments not in ([], ["--dev"], ["--lab"]):
        _give_up("it takes --dev, --lab or nothing")
    if sys.version_info < (3, 11):  # noqa: UP036 - any Python may be asked to run this
        version = sys.version.split()[0]
        _give_up(f"RizzPay needs Python 3.11 or newer; {sys.executable} is {version}")
    profile = "dev" if arguments else "server"
    _install_packages(_missing_packages(profile) + _missing_of_the_lab(arguments))
    with (ROOT / LOCKS["server"]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would disturb each other
        _install_locked(profile)


def _missing_packages(profile: str) -> list[str]:
    """Return Debian's packages whose work nothing on this system does."""
    there = {
        "python3-venv": importlib.util.find_spec("ensurepip") is not None,
        "haproxy": shutil.which("haproxy", path=SYSTEM_PATH) is not None,
        "softhsm2": shutil.which("softhsm2-util", path=SYSTEM_PATH) is not None,
        "ca-certificates": Path("/etc/ssl/certs/ca-certificates.crt").exists(),
        # its one program is Redis with TLS and Sentinel as well, and nothing starts it by itself
        "redis-tools": profile == "server" or shutil.which("redis-check-rdb") is not None,
        # the documents speak curl, and the tests run what they show
        "curl": profile == "server" or shutil.which("curl") is not None,
        # the Vagrantfile is Ruby
        "ruby": profile == "server" or shutil.which("ruby") is not None,
    }
    return [package for package, is_there in there.items() if not is_there]


def _missing_of_the_lab(arguments: list[str]) -> list[str]:
    """Return Debian's packages whose programs the lab needs and this system has not."""
    if arguments != ["--lab"]:
        return []
    return [
        package
        for package, program in LAB_PROGRAMS.items()
        if shutil.which(program, path=SYSTEM_PATH) is None
    ]


def _install_packages(packages: list[str]) -> None:
    if not packages:
        return
    command = ["apt-get", "install", "-qy", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        _give_up(f"{' and '.join(packages)} are missing; as root: {' '.join(command)}")
    if shutil.which("apt-get") is None:
        _give_up(f"{' and '.join(packages)} are missing, and there is no apt-get to install them")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update", "-q"], command):
        if subprocess.run(step, env=environment, check=False).returncode != 0:
            _give_up(f"{' '.join(step)} failed")


def _install_locked(profile: str) -> None:
    """Install a lock into .venv, and the clone itself; dev holds all that server needs."""
    profiles = ["dev"] if profile == "dev" else ["server", "dev"]
    if any(_stamp(one).exists() for one in profiles):
        return
    if not _is_ours():
        print("installing Python packages into .venv", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "--requirement", str(ROOT / LOCKS[profile])])
    _run([*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    for old in VENV.glob("installed-*"):
        old.unlink()
    _stamp(profile).touch()


def _stamp(profile: str) -> Path:
    """Return the file that says that a lock, as it is now, is installed."""
    lock = (ROOT / LOCKS[profile]).read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return VENV / f"installed-{profile}-{hashlib.sha256(lock).hexdigest()[:16]}"


def _is_ours() -> bool:
    """Tell whether .venv is made, here, of this very Python."""
    if not PYTHON.exists():
        return False
    code = "import sys; print(sys.prefix, sys.base_prefix, *sys.version_info[:2])"
    said = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout
    return said.split() == [str(VENV), sys.base_prefix, *map(str, sys.version_info[:2])]


def _run(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode != 0:
        _give_up(f"{' '.join(command)} failed")


def _give_up(sentence: str) -> None:
    print(f"script/bootstrap: {sentence}", file=sys.stderr)
    raise SystemExit(EXIT_MISSING)


if __name__ == "__main__":
    main()
