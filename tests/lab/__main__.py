"""script/lab: machines of an inventory to try the appliance on, by hand.

Needs root; `script/bootstrap --lab` installs what it needs of Debian.
"""

import os
import shutil
import sys

import click

from tests.lab import drilling
from tests.lab import lab as labs
from tests.lab.cluster import Cluster
from tests.lab.commands import LabError
from tests.lab.desk import Desk
from tests.lab.drilling import RESULTS
from tests.lab.drills import DRILLS
from tests.lab.lab import Lab
from tests.lab.till import Till

NEEDED = ("systemd-nspawn", "debootstrap", "ip", "nft", "ssh", "apt-cacher-ng", "mkfs.ext4")
name_option = click.option(
    "--name", default="lab", envvar="RIZZPAY_LAB", show_default=True, show_envvar=True,
    help="Which lab.",
)  # fmt: skip


@click.group(help=__doc__)
def main() -> None:
    """Take one of the verbs."""
    if os.geteuid() != 0:
        raise click.ClickException("needs root: it makes namespaces and mounts")
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise click.ClickException(f"not installed: {', '.join(missing)}")


@main.command()
@name_option
@click.option("--inventory", default="ha", show_default=True, help="Its directory's name.")
@click.option("--bare", is_flag=True, help="Nothing installed beforehand: slower, and true.")
@click.option("--no-packages", is_flag=True, help="No way to any package: an air-gapped site.")
def up(name: str, inventory: str, *, bare: bool, no_packages: bool) -> None:
    """Make and boot the machines of an inventory."""
    lab = Lab(name, inventory)
    lab.up(filled=not bare, packages=not no_packages)
    for machine in lab.machines.values():
        click.echo(f"{machine.name}  {machine.address}  on")


@main.command(context_settings={"ignore_unknown_options": True})
@name_option
@click.argument("machine")
@click.argument("command", nargs=-1)
def ssh(name: str, machine: str, command: tuple[str, ...]) -> None:
    """Log in to a machine, or run a command on it; `sudo` makes you root there."""
    arguments = Lab.find(name).ssh(machine, *command)
    os.execvp(arguments[0], arguments)  # noqa: S606 - there is no shell to want


@main.command(context_settings={"ignore_unknown_options": True})
@name_option
@click.argument("playbook")
@click.argument("arguments", nargs=-1)
def play(name: str, playbook: str, arguments: tuple[str, ...]) -> None:
    """Run a playbook, with the controller's secrets and any option of ansible-playbook."""
    lab = Lab.find(name)
    place = lab.controller()
    os.chdir(str(place["cwd"]))
    command = lab.playbook(playbook, *arguments)
    os.execvpe(command[0], command, place["env"])  # noqa: S606 - the same


@main.command(context_settings={"ignore_unknown_options": True})
@name_option
@click.argument("command", nargs=-1, required=True)
def desk(name: str, command: tuple[str, ...]) -> None:
    """Run a program as the operator; {} stands for the site's own inventory."""
    place = Desk(Lab.find(name)).lay_out()
    words = place.command(*(word.replace("{}", str(place.inventory)) for word in command))
    os.chdir(str(place.place()["cwd"]))
    os.execvpe(words[0], words, place.place()["env"])  # noqa: S606 - the same


@main.command("cut")
@name_option
@click.argument("machine")
def cut_power(name: str, machine: str) -> None:
    """Take a machine's power away."""
    Lab.find(name).machines[machine].cut_power()


@main.command("on")
@name_option
@click.argument("machine")
def power_on(name: str, machine: str) -> None:
    """Switch a machine on again."""
    Lab.find(name).machines[machine].boot()


@main.command()
@name_option
@click.argument("machine")
def isolate(name: str, machine: str) -> None:
    """Let the switch drop everything from and to a machine."""
    Lab.find(name).network.isolate(machine)


@main.command()
@name_option
@click.argument("machine")
def rejoin(name: str, machine: str) -> None:
    """Let the switch pass a machine's packets again."""
    Lab.find(name).network.rejoin(machine)


@main.command()
@name_option
@click.argument("names", nargs=-1)
def drill(name: str, names: tuple[str, ...]) -> None:
    """Run drills on an installed lab, all by default, and print what they cost."""
    lab = Lab.find(name)
    with Till(lab) as till:
        for one in DRILLS:
            if not names or one.name in names:
                result = drilling.run(one, Cluster(lab), till)
                click.echo(drilling.table([result]))
                drilling.write(result, RESULTS)


@main.command()
def table() -> None:
    """Print the rows of var/lab/drills.json as docs/operate.md has them."""
    click.echo(drilling.page(RESULTS))


@main.command()
def status() -> None:
    """List the labs that stand, and which of their machines are on."""
    for name in labs.names():
        lab = Lab.find(name)
        for machine in lab.machines.values():
            click.echo(f"{name}  {machine.name}  {machine.address}  "
                       f"{'on' if machine.is_on else 'off'}")  # fmt: skip


@main.command()
@name_option
def down(name: str) -> None:
    """Switch everything off and remove it; not an error if there is nothing."""
    Lab(name).down()


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        click.echo(f"script/lab: {error}", err=True)
        sys.exit(1)
