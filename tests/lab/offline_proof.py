"""From one file to a running gateway without any network, `script/test --offline`.

The hosts are as Debian's installation leaves them, the controller is a Debian system of its own;
both are in the lab's network, out of which no route leads, and no mirror is in it. Only the build,
before, sees a network.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.architecture.documents import blocks
from tests.lab import debian
from tests.lab.commands import attempt, run
from tests.lab.lab import ROOT, STORE, Lab

pytestmark = pytest.mark.timeout(5400)

NAME = "offline"
SITE = "/srv/site"
INVENTORY = os.environ.get("RIZZPAY_LAB_INVENTORY", "ha")
LIKE = f"--like {INVENTORY} --inventory"
# What docs/install.md tells an operator to type on the controller.
PAGE = ROOT / "docs" / "install.md"
COMMANDS = [block.text for block in blocks(PAGE, PAGE.read_text()) if block.info == "controller"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of this commit, with its key and its installer."""
    directory = tmp_path_factory.mktemp("bundle")
    tool = [sys.executable, "-m", "appliance.bundle"]
    private, public = directory / "signing.pem", directory / "signing.pub"
    run(*tool, "key", private, public, cwd=ROOT)
    run(*tool, "build", "--output", directory / "rizzpay.tar", "--key", private, cwd=ROOT)
    return directory


@pytest.fixture(scope="module")
def lab():
    """Fresh hosts that find no package anywhere."""
    lab = Lab(NAME, INVENTORY)
    try:
        lab.up(filled=False, packages=False)
        yield lab
    finally:
        lab.down()


class Controller:
    """A Debian system in the lab's network with a copy of the bundle and the site's inventory."""

    def __init__(self, lab: Lab, bundle: Path) -> None:
        """Make it; it shares the root of the filled machines, which has python3-cryptography."""
        self._lab = lab
        self.directory = lab.directory / "controller"
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir(parents=True)
        base = debian.root(STORE / "roots", filled=True)
        layers = f"lowerdir={base},upperdir={self.directory}/upper,workdir={self.directory}/work"
        run("mount", "-t", "overlay", "controller", "-o", f"{layers},volatile", self.root)
        site = self.root / SITE.lstrip("/")
        site.mkdir(parents=True)
        for name in ("rizzpay.tar", "rizzpay.pyz", "signing.pub"):
            shutil.copy(bundle / name, site)
        (self.root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copy(lab.directory / "key", self.root / "root/.ssh/id_ed25519")
        shutil.copy(lab.directory / "known_hosts", self.root / "root/.ssh")
        values = yaml.safe_load((lab.directory / "site.yml").read_text())
        del values["rizzpay_pki_dir"], values["rizzpay_release_dir"]  # the bundle has its own
        shutil.copy(values["tuning_machine_file"], site / "machine.json")
        values["tuning_machine_file"] = f"{SITE}/machine.json"
        (site / "edited.yml").write_text(yaml.safe_dump(values))

    @property
    def root(self) -> Path:
        """Where its files are."""
        return self.directory / "root"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program on it, in the lab's network and no other."""
        nspawn = ("systemd-nspawn", "-q", "--register=no", "--keep-unit", "--resolv-conf=off",
                  "--timezone=off", "--link-journal=no", "--pipe", "--setenv=LC_ALL=C.UTF-8",
                  f"--network-namespace-path=/run/netns/{self._lab.network.namespace}")  # fmt: skip
        return attempt(*nspawn, "-D", self.root, f"--chdir={SITE}", *command)

    def type_in(self, *scripts: str) -> subprocess.CompletedProcess[str]:
        """Run commands in one shell."""
        return self.run("bash", "-euo", "pipefail", "-c", "\n".join(scripts))

    def remove(self) -> None:
        """Take it away."""
        run("umount", self.root)
        shutil.rmtree(self.directory)


@pytest.fixture
def controller(lab, bundle):
    """The machine from which an operator works."""
    controller = Controller(lab, bundle)
    yield controller
    controller.remove()


def test_a_site_is_installed_from_the_bundle_without_any_network(lab, controller):
    routes = run(*lab.network.inside(), "ip", "route", "show", "default")
    assert routes == "", "the lab has a way out"

    install, secrets, play = COMMANDS
    edit = "cp edited.yml inventory/group_vars/all/zone.yml"
    play = play.replace("site.yml", f"site.yml {os.environ.get('RIZZPAY_LAB_OPTIONS', '')}")
    done = controller.type_in(install.replace("--inventory", LIKE), edit, secrets, play)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    again = controller.type_in(install)
    assert "holds this bundle already" in again.stdout, again.stderr
    for name in lab.machines:
        policy = attempt(*lab.ssh(name, "apt-cache", "policy")).stdout
        sources = {line.split()[1] for line in policy.splitlines() if ":/" in line}
        assert sources
        assert all(source.startswith("file:") for source in sources), sources
        failed = "systemctl list-units --state=failed --plain --no-legend"
        assert attempt(*lab.ssh(name, failed)).stdout == ""


def test_a_spoiled_bundle_leaves_no_trace_on_the_controller(controller):
    file = controller.root / SITE.lstrip("/") / "rizzpay.tar"
    with file.open("r+b") as content:
        content.seek(file.stat().st_size // 2)
        byte = content.read(1)
        content.seek(-1, os.SEEK_CUR)
        content.write(bytes([byte[0] ^ 1]))
    refused = controller.type_in(COMMANDS[0].replace("verify", "install --into /opt"))
    assert refused.returncode == 1
    assert "refused: " in refused.stderr
    assert list((controller.root / "opt").iterdir()) == []
    assert not (
        controller.root / SITE.lstrip("/") / "inventory/group_vars/all/offline.yml"
    ).exists()
