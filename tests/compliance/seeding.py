"""What seeds are made of: a change of a host, and the way back."""

from dataclasses import dataclass

SSHD = "/etc/ssh/sshd_config.d/00-seed.conf"


@dataclass(frozen=True)
class Seed:
    """Shell lines for root, on one host of the control's groups."""

    hurt: str
    heal: str


def sshd(line: str) -> Seed:
    """Put a line before everything else that sshd reads."""
    return Seed(f"echo '{line}' > {SSHD}", f"rm -f {SSHD}")


def mode(path: str, wrong: str) -> Seed:
    """Change the mode of a file."""
    kept = f"/var/tmp/seed.mode.$(basename {path})"
    return Seed(
        f"stat --format=%a {path} > {kept} && chmod {wrong} {path}",
        f"chmod $(cat {kept}) {path} && rm {kept}",
    )


def file(path: str, text: str = "seed") -> Seed:
    """Leave a file where none should be."""
    return Seed(f"printf '%s\\n' '{text}' > {path}", f"rm -f {path}")


def aside(path: str) -> str:
    """Return the command that keeps a file, where no control looks for its like."""
    return f"cp --archive {path} /var/tmp/seed.$(basename {path})"


def back(path: str) -> str:
    """Return the command that puts it back."""
    return f"mv --force /var/tmp/seed.$(basename {path}) {path}"


def line(path: str, text: str) -> Seed:
    """Add a line at the end of a file, which is put back."""
    return Seed(
        f"{aside(path)} && printf '%s\\n' '{text}' >> {path}",
        back(path),
    )


def edit(path: str, expression: str) -> Seed:
    """Change a file by sed, which is put back."""
    return Seed(
        f"{aside(path)} && sed -i --regexp-extended '{expression}' {path}",
        back(path),
    )


def sysctl(name: str, wrong: int, right: int) -> Seed:
    """Change a setting of the kernel's network, which every machine has of its own."""
    return Seed(f"sysctl -qw {name}={wrong}", f"sysctl -qw {name}={right}")


def query(hurt: str, heal: str, database: str = "rizzpay") -> Seed:
    """Change the database as its superuser; runs where the primary is."""
    ask = f"runuser -u postgres -- psql -XAtq --dbname {database} --command"
    return Seed(f'{ask} "{hurt}"', f'{ask} "{heal}"')


def dropin(unit: str, text: str) -> Seed:
    """Give a unit one more drop-in, which systemd reads."""
    path = f"/etc/systemd/system/{unit}.d/zz-seed.conf"
    return Seed(
        f"printf '{text}\\n' > {path} && systemctl daemon-reload",
        f"rm -f {path} && systemctl daemon-reload",
    )


def reloaded(seed: Seed, command: str) -> Seed:
    """Have what was changed take effect."""
    return Seed(f"{seed.hurt} && {command}", f"{seed.heal} && {command}")
