"""`oscp-sim record`, `replay` and `export`: what happened, kept and done again."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from oscp_send.cli.ci import writable
from oscp_send.cli.main import printable
from oscp_send.cli.options import Command, gathered
from oscp_sim.cli.options import (
    EXISTING_FILE,
    FILE_TO_WRITE,
    bad_parameters,
    end,
    listeners,
    readable,
    report_option,
    seat_option,
    seats,
)

if TYPE_CHECKING:
    from oscp_sim.recording import Recording
    from oscp_sim.saved_journal import SavedJournal
    from oscp_sim.shared import Shared

# Of the first line of a journal, which holds a world, as much as tells it from a scenario.
_LONGEST_LINE: Final = 1000

_KEPT: Final = (
    click.option(
        "--save-journal",
        type=FILE_TO_WRITE,
        help="Write the journal to this file at the end, as JSON Lines, for record, replay and "
        "export.",
    ),
    click.option(
        "--record",
        "recorded",
        type=FILE_TO_WRITE,
        help="Write what happened to this file at the end, as a scenario that passes when it is "
        "played again.",
    ),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """The files that a command writes of what happened, at its end."""

    save_journal: Path | None
    recorded: Path | None

    def check(self) -> None:
        """End the command with 2 where one could not be written at the end."""
        for path, option in ((self.save_journal, "--save-journal"), (self.recorded, "--record")):
            if path is not None:
                with bad_parameters(option):
                    writable(path)

    def write(self, shared: Shared) -> bool:
        """Write them, and return whether that was possible."""
        from oscp_sim.recording import Unrecordable
        from oscp_sim.recording import record as made
        from oscp_sim.saved_journal import SavedJournal

        if self.save_journal is None and self.recorded is None:
            return True
        journal = SavedJournal.of(shared)
        try:
            if self.save_journal is not None:
                self.save_journal.parent.mkdir(parents=True, exist_ok=True)
                journal.save(self.save_journal)
            if self.recorded is not None:
                recording = made(journal, self.recorded.stem)
                self.recorded.parent.mkdir(parents=True, exist_ok=True)
                self.recorded.write_text(recording.text, encoding="utf-8")
                _tell(recording, self.recorded)
        except Unrecordable as error:
            click.echo(f"{self.recorded} is not written: {error}", err=True)
        except OSError as error:
            click.echo(f"{error.filename} cannot be written: {error.strerror}", err=True)
            return False
        return True


def kept_options(command: Command) -> Command:
    """Give a command the options of `Kept`, as its argument `kept`."""
    return gathered(command, _KEPT, "kept", Kept)


_journal = click.argument("journal", type=EXISTING_FILE)


@click.command()
@_journal
@click.option(
    "-o",
    "--output",
    type=FILE_TO_WRITE,
    help="The scenario file to write; printed where not given.",
)
@click.option("--name", help="Of the scenario; that of the file where not given.")
def record(journal: Path, output: Path | None, name: str | None) -> None:
    """Turn a saved journal into a scenario file that does the same again.

    JOURNAL is a file of `oscp-sim serve --save-journal`, `oscp-sim run --save-journal` or GET
    /_sim/journal.jsonl. What was sent, by whichever client, becomes the steps; what came of it is
    what they expect. It is played once: what does not come again is named in the file's comments.

    Exits with 0 when all came again as it was recorded, 1 when a step ended otherwise, 2 when the
    journal cannot be read, or no scenario can be made of it.
    """
    from oscp_sim.recording import Unrecordable
    from oscp_sim.recording import record as made

    saved = _opened(journal)
    try:
        recording = made(saved, name or (output or journal).stem)
    except Unrecordable as error:
        end(error)
    _write(output, recording.text)
    _tell(recording, output)
    sys.exit(1 if recording.problems else 0)


def _tell(recording: Recording, output: Path | None) -> None:
    """Say on the standard error what became of a recording."""
    where = f" in {output}" if output else ""
    count = len(recording.left_out)
    steps = "1 step" if recording.steps == 1 else f"{recording.steps} steps"
    click.echo(f"{steps}{where}, {count} left out", err=True)
    for each in recording.problems:
        click.echo(f"  otherwise when played: {printable(each)}", err=True)
    for each in recording.left_out:
        click.echo(f"  left out: {printable(each)}", err=True)


@click.command()
@click.argument("file", type=EXISTING_FILE)
@seat_option
@report_option
@click.option("--sequence", is_flag=True, help="Show what the parties sent one another.")
def replay(file: Path, seat: tuple[str, ...], reports: tuple[str, ...], sequence: bool) -> None:
    """Play a recording again, and say where something comes otherwise than it was recorded.

    FILE is a scenario file that was recorded, or a saved journal, of which one is made first. It is
    played with the seed and the settings that it was recorded with; otherwise as by `rehearse`.

    Exits with 0 when all came again, 1 when not, 2 when the file cannot be read.
    """
    from oscp_sim.recording import Unrecordable, setting_of
    from oscp_sim.recording import record as made
    from oscp_sim.scenario.console import ConsoleReport
    from oscp_sim.scenario.read import load_scenarios
    from oscp_sim.scenario.run import Rehearsal, run

    real, written = seats(seat), listeners(reports)
    with tempfile.TemporaryDirectory() as folder:
        scenario, is_journal = file, _is_journal(file)
        try:
            with readable():
                if is_journal:
                    scenario = Path(folder) / f"{file.stem}.yaml"
                    scenario.write_text(made(_opened(file), file.stem).text, encoding="utf-8")
                setting = setting_of(scenario.read_text(encoding="utf-8"))
                heading = file.resolve().parent.name
                scenarios = [replace(each, group=heading) for each in load_scenarios([scenario])]
        except (Unrecordable, ValueError) as error:
            end(error)
        common = Rehearsal(setting.seed, setting.behaviour, real_parties=real)
        passed = run(scenarios, common, [ConsoleReport(sys.stdout, sequence=sequence), *written])
    if is_journal and not passed:
        click.echo(
            f"lines are those of the scenario file: oscp-sim record {file} -o {file.stem}.yaml",
            err=True,
        )
    sys.exit(0 if passed else 1)


@click.command()
@_journal
@click.option(
    "-o", "--output", type=FILE_TO_WRITE, help="The file to write; printed where not given."
)
def export(journal: Path, output: Path | None) -> None:
    """Write the requests and answers of a saved journal as HTTP Archive (HAR 1.2).

    The developer tools of a browser open it: Network, Import HAR file.

    Exits with 0, or with 2 when the journal cannot be read.
    """
    from oscp_sim.openapi import version
    from oscp_sim.recording.har import har

    _write(output, har(_opened(journal).entries, version()))


def _is_journal(file: Path) -> bool:
    """Return whether a file is, or is to be, a saved journal; a scenario can begin so, too."""
    with file.open("rb") as opened:
        first = opened.readline(_LONGEST_LINE)
    return file.suffix == ".jsonl" or (first.startswith(b"{") and b"oscp-sim journal" in first)


def _opened(path: Path) -> SavedJournal:
    from oscp_sim.saved_journal import open_journal

    with readable():
        return open_journal(path)


def _write(path: Path | None, text: str) -> None:
    """Write a file, or print what would be in it where none is named."""
    if path is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        end(f"{path} cannot be written: {error.strerror}")
