"""`rizzpay-capacity render`: the files of a plan, on standard output or below a directory."""

from pathlib import Path

import click

from capacity import documents
from capacity.errors import WrongUse
from capacity.render import files
from capacity.sizing.plan import Plan


@click.command("render")
@click.option(
    "--for",
    "kind",
    type=click.Choice(sorted(files.RENDERERS)),
    required=True,
    help="Whose files.",
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    default=Path("-"),
    help="Document of `plan`; default and -: standard input.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Write the files below this directory, as if it were /, and print their paths.",
)
def command(*, kind: str, plan_file: Path, directory: Path | None) -> None:
    r"""Write a plan as configuration; prints it, or puts it below --directory.

    Nothing is installed and no service is touched: Ansible does that. Where there are several
    files, a line `# file: PATH` stands before each.

    \b
    rizzpay-capacity render --for postgresql --plan plan.json
    rizzpay-capacity plan --target-tps 1000 | rizzpay-capacity render --for sysctl
    rizzpay-capacity render --for systemd --plan plan.json --directory /tmp/review
    """
    rendered = files.RENDERERS[kind](documents.read(plan_file, Plan))
    if directory is not None:
        for file in _written(rendered, directory):
            click.echo(file)
        return
    for path, text in rendered.items():
        if len(rendered) > 1:
            click.echo(f"# file: {path}")
        click.echo(text, nl=not text.endswith("\n"))


def _written(rendered: dict[str, str], directory: Path) -> list[Path]:
    written = []
    for path, text in rendered.items():
        file = directory / path.lstrip("/")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        except OSError as error:
            raise WrongUse(f"{file}: {error.strerror}") from None
        written.append(file)
    return written
