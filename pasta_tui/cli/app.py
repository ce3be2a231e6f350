"""The command tree: names, help and nothing that takes time to import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from pasta_tui.cli import (
    data,
    doctor,
    evaluate,
    microworld,
    models,
    paint,
    plan,
    profiles,
    reproduce,
    session,
    sessions,
    simulate,
    taste,
    train,
    worker,
)
from pasta_tui.cli._options import help_if_bare
from pasta_tui.console.errors import EXIT_CODES

__all__ = ["app", "run"]

_EPILOG = f"""\b
Examples:
  pasta session "a red train in the snow"      find your picture in five choices
  pasta session --resume last                  go on where you stopped
  pasta paint "a blue boat at night" --out .   paint without a session
  pasta sessions list                          what you made so far
  pasta doctor                                 what is installed and where it lies

{EXIT_CODES}

Data goes to stdout, everything else to stderr. NO_COLOR and TERM=dumb are respected.
"""

app = typer.Typer(
    name="pasta",
    rich_markup_mode=None,
    invoke_without_command=True,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    epilog=_EPILOG,
)


def run(arguments: Sequence[str]) -> int:
    """Run one command; what it raises is for the caller, what is returned is the exit code."""
    result = app(list(arguments), prog_name="pasta", standalone_mode=False)
    return result if isinstance(result, int) else 0


@app.callback()
def pasta(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """Find the picture you mean by choosing among pictures, turn by turn."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"pasta {version_of('pasta-t2i')}")
        raise typer.Exit
    help_if_bare(context)


app.command("session", epilog=session.EPILOG, short_help="Find the picture you mean.")(session.session)
app.command("paint", epilog=paint.EPILOG, short_help="Paint a prompt as it is, without a session.")(
    paint.paint
)
app.add_typer(sessions.app, name="sessions")
app.add_typer(taste.app, name="taste")
app.add_typer(profiles.app, name="profiles")
app.add_typer(models.app, name="models")
app.command("plan", epilog=plan.EPILOG, short_help="What a profile's models take of this machine.")(plan.plan)
app.command("doctor", epilog=doctor.EPILOG, short_help="What is installed, what is missing, where it lies.")(
    doctor.doctor
)
app.command("worker", epilog=worker.EPILOG, short_help="Serve this machine's models to a session elsewhere.")(
    worker.worker
)
app.add_typer(data.app, name="data")
app.command("train-user-model", epilog=train.EPILOG, short_help="Learn user types from preference data.")(
    train.train_user_model
)
app.command(
    "train-value-model", epilog=train.VALUE_EPILOG, short_help="Learn which prompts are worth showing."
)(train.train_value_model)
app.command("simulate", epilog=simulate.EPILOG, short_help="Let simulated users work through sessions.")(
    simulate.simulate
)
app.add_typer(evaluate.app, name="evaluate")
app.command(
    "reproduce", epilog=reproduce.EPILOG, short_help="Repeat the paper's experiments in the microworld."
)(reproduce.reproduce)
app.add_typer(microworld.app, name="microworld")
