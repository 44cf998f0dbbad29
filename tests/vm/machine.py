"""One virtual machine: its network, its QEMU process, its monitor, its shell.

The network is a namespace with a bridge, as a switch; nothing in it leaves this computer. QEMU runs
inside the namespace with two network cards on two ports of the switch, and emulates the processor:
slow, but the same everywhere.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.vm.image import Image

SWITCH_ADDRESS = "198.51.100.1"
BOX_ADDRESS = "198.51.100.10"
CARDS = ("eth0", "eth1")
MEMORY_MIB = 1024
# QEMU 7.2 spoils the flags behind cmpxchg16b, and the kernel dies of it (seen 2026-11-21); without
# the instruction the kernel does the same with a lock
PROCESSOR = "max,cx16=off,la57=off"
DISK_MIB = 256
START_S = 600  # a busy computer emulates slowly; an idle one needs half a minute
ANSWER_S = 30


class Network:
    """A switch in a namespace of its own, which two cards of one machine hang on."""

    def __init__(self, name: str) -> None:
        """Make it."""
        self.name = name
        _run("ip", "netns", "add", name)
        try:
            self._ip("link", "set", "lo", "up")
            self._ip("link", "add", "switch", "type", "bridge", "stp_state", "0")
            self._ip("address", "add", f"{SWITCH_ADDRESS}/24", "dev", "switch")
            self._ip("link", "set", "switch", "up")
            for card in CARDS:
                self._ip("tuntap", "add", "dev", f"to-{card}", "mode", "tap")
                self._ip("link", "set", f"to-{card}", "master", "switch", "up")
        except BaseException:
            self.remove()
            raise

    def inside(self, *command: object) -> list[str]:
        """Return what runs `command` in the namespace."""
        return ["ip", "netns", "exec", self.name, *map(str, command)]

    def remove(self) -> None:
        """Take it away with everything in it."""
        _run("ip", "netns", "delete", self.name)

    def _ip(self, *arguments: str) -> None:
        _run("ip", "-n", self.name, *arguments)


class Machine:
    """A machine with four disks and two network cards; `directory` is private and goes with it."""

    def __init__(self, directory: Path, network: Network, image: Image) -> None:
        """Start nothing yet."""
        self.directory = directory
        self.network = network
        self.key = directory / "key"
        self._image = image
        self._monitor: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until its shell answers."""
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        disks = [self.disk(number) for number in range(1, 5)]
        command = [*self._command(), *(part for disk in disks for part in disk)]
        with (self.directory / "console.log").open("wb") as console:
            self._process = subprocess.Popen(
                self.network.inside(*command),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._connect()
        self.wait_for_shell()

    def stop(self) -> None:
        """End the process, whatever the machine does."""
        if self._monitor:
            self._lines.close()
            self._monitor.close()
        if self._process:
            self._process.kill()
            self._process.wait()

    def disk(self, number: int) -> list[str]:
        """Return QEMU's arguments for an empty disk; by its serial number Linux names it."""
        file = self.directory / f"disk{number}"
        with file.open("wb") as blank:
            blank.truncate(DISK_MIB * 1024 * 1024)
        drive = f"id=drive{number},file={file},format=raw,if=none,cache=unsafe"
        device = f"scsi-hd,id=disk{number},drive=drive{number},serial=RIZZPAY{number}"
        return ["-drive", drive, "-device", device]

    def pull_disk(self, number: int) -> None:
        """Take a disk out of the running machine."""
        self.ask("device_del", id=f"disk{number}")

    def insert_disk(self, number: int) -> None:
        """Put an empty disk into the running machine."""
        device = self.disk(number)[-1]
        options = dict(part.split("=") for part in device.split(",")[1:])
        node = {"driver": "file", "filename": str(self.directory / f"disk{number}")}
        self.ask("blockdev-add", **{"node-name": f"drive{number}", "driver": "raw", "file": node})
        self.ask("device_add", driver="scsi-hd", **options)

    def set_link(self, card: str, *, up: bool) -> None:
        """Cut or mend the cable of a network card."""
        self.ask("set_link", name=f"card-{card}", up=up)

    def cut_power(self) -> None:
        """Start anew without a word to the system: what it did not write is lost."""
        self.ask("system_reset")

    def ask(self, command: str, **arguments: object) -> object:
        """Give the monitor a command and return its answer."""
        assert self._monitor
        message = {"execute": command, "arguments": arguments}
        self._monitor.sendall(json.dumps(message).encode())
        while "return" not in (answer := json.loads(self._lines.readline())):
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def ssh(self) -> list[str]:
        """Return ssh's arguments up to the address."""
        options = {
            "IdentityFile": self.key,
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": 10,
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 6,
        }
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def shell(self, script: str) -> str:
        """Run a script on the machine and return what it prints; raises when it fails."""
        command = self.network.inside("ssh", *self.ssh(), f"root@{BOX_ADDRESS}", "sh -eu")
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, timeout=START_S, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{script!r} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def wait_for_shell(self) -> None:
        """Wait until its shell answers."""
        self.wait_until(self._answers, "its shell answers", START_S)

    def boot(self) -> str:
        """Return the name of this start of the machine; another start has another one."""
        return self.shell("cat /proc/sys/kernel/random/boot_id")

    def wait_until(self, said: Callable[[], object], what: str, seconds: float) -> None:
        """Wait until `said` is true; raises with the end of the console when it does not come."""
        deadline = time.monotonic() + seconds
        while not said():
            assert self._process
            console = (self.directory / "console.log").read_text(errors="replace")
            dead = self._process.poll() is not None or "Kernel panic" in console
            if time.monotonic() > deadline or dead:
                raise TimeoutError(f"not within {seconds} s: {what}\n{console[-3000:]}")
            time.sleep(0.5)

    def _answers(self) -> bool:
        try:
            return bool(self.shell("systemctl is-system-running --wait || true"))
        except RuntimeError:
            return False

    def _command(self) -> list[str]:
        key = self.key.with_suffix(".pub").read_text().strip().replace(",", ",,")
        root = f"file={self._image.disk},format=raw,if=virtio,snapshot=on,cache=unsafe"
        command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi"]
        command += ["-cpu", PROCESSOR, "-smp", "1", "-m", str(MEMORY_MIB), "-nodefaults"]
        command += ["-display", "none", "-serial", "stdio", "-object", "rng-random,id=rng"]
        command += ["-device", "virtio-rng-pci,rng=rng", "-drive", root]
        command += ["-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd)]
        command += [
            "-append",
            "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off cryptomgr.notests",
        ]
        credential = f"io.systemd.credential:ssh.authorized_keys.root={key}"
        command += ["-smbios", f"type=11,value={credential}"]
        command += ["-qmp", f"unix:{self.directory}/monitor,server=on,wait=off"]
        command += ["-device", "virtio-scsi-pci,id=scsi"]
        for number, card in enumerate(CARDS):
            port = f"tap,id=port-{card},ifname=to-{card},script=no,downscript=no"
            mac = f"52:54:00:00:00:1{number}"
            device = f"virtio-net-pci,id=card-{card},netdev=port-{card},mac={mac}"
            command += ["-netdev", port, "-device", device]
        return command

    def _connect(self) -> None:
        """Open the monitor; its first message is a greeting, and it wants to be greeted."""
        path = self.directory / "monitor"
        self.wait_until(path.exists, "QEMU has opened its monitor", ANSWER_S)
        self._monitor = socket.socket(socket.AF_UNIX)
        self._monitor.settimeout(ANSWER_S)
        self._monitor.connect(str(path))
        self._lines = self._monitor.makefile()
        self._lines.readline()
        self.ask("qmp_capabilities")


def missing() -> list[str]:
    """Return what this computer lacks to run a machine."""
    programs = ("qemu-system-x86_64", "debootstrap", "ip", "ssh", "ssh-keygen")
    lacking = [program for program in programs if shutil.which(program) is None]
    return lacking if os.geteuid() == 0 else ["root", *lacking]


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True)
