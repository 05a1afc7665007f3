"""`oscp-sim record`, `replay` and `export`: what happened, kept and done again."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from oscp_send.cli.ci import writable
from oscp_sim.cli.options import bad_parameters, report_option, seat_option, seats

if TYPE_CHECKING:
    from oscp_sim.recording import Recording
    from oscp_sim.saved_journal import SavedJournal
    from oscp_sim.shared import Shared
    from oscp_sim.yaml_source import SourceError

# Of the first line of a journal, which holds a world, as much as tells it from a scenario.
_LONGEST_LINE: Final = 1000

save_journal_option = click.option(
    "--save-journal",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the journal to this file at the end, as JSON Lines, for record, replay and export.",
)
record_option = click.option(
    "--record",
    "recorded",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what happened to this file at the end, as a scenario that passes when it is played "
    "again.",
)


def check_path(path: Path | None, option: str) -> None:
    """End the command with 2 where a file could not be written at the end."""
    if path is not None:
        with bad_parameters(option):
            writable(path)


def keep_what_happened(shared: Shared, save: Path | None, recorded: Path | None) -> bool:
    """Write the files that the two options name, and return whether that was possible."""
    from oscp_sim.recording import NothingToRecord
    from oscp_sim.recording import record as made
    from oscp_sim.saved_journal import SavedJournal

    if save is None and recorded is None:
        return True
    journal = SavedJournal.of(shared)
    try:
        if save is not None:
            save.parent.mkdir(parents=True, exist_ok=True)
            journal.save(save)
        if recorded is not None:
            recording = made(journal, recorded.stem)
            recorded.parent.mkdir(parents=True, exist_ok=True)
            recorded.write_text(recording.text, encoding="utf-8")
            _tell(recording, recorded)
    except NothingToRecord as error:
        click.echo(f"{recorded} is not written: {error}", err=True)
    except OSError as error:
        click.echo(f"{error.filename} cannot be written: {error.strerror}", err=True)
        return False
    return True


_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_journal = click.argument("journal", type=_file)


@click.command()
@_journal
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The scenario file to write; printed where not given.",
)
@click.option("--name", help="Of the scenario; that of the file where not given.")
def record(journal: Path, output: Path | None, name: str | None) -> None:
    """Turn a saved journal into a scenario file that does the same again.

    JOURNAL is a file of `oscp-sim serve --save-journal`, `oscp-sim run --save-journal` or GET
    /_sim/journal.jsonl. What was sent, by whichever client, becomes the steps; what came of it is
    what they expect. It is played once: what does not come again is named in the file's comments.

    Exits with 0 when all came again as it was recorded, 1 when a step ended otherwise, 2 when the
    journal cannot be read or has nothing in it.
    """
    from oscp_sim.recording import NothingToRecord
    from oscp_sim.recording import record as made

    saved = _opened(journal)
    try:
        recording = made(saved, name or (output or journal).stem)
    except NothingToRecord as error:
        _end([str(error)], "record")
    if output is None:
        click.echo(recording.text, nl=False)
    else:
        _write(output, recording.text, "record")
    _tell(recording, output)
    sys.exit(1 if recording.problems else 0)


def _tell(recording: Recording, output: Path | None) -> None:
    """Say on the standard error what became of a recording."""
    from oscp_sim.matching import printable

    where = f" in {output}" if output else ""
    count = len(recording.left_out)
    steps = "1 step" if recording.steps == 1 else f"{recording.steps} steps"
    click.echo(f"{steps}{where}, {count} left out", err=True)
    for each in recording.problems:
        click.echo(f"  otherwise when played: {printable(each)}", err=True)
    for each in recording.left_out:
        click.echo(f"  left out: {printable(each)}", err=True)


@click.command()
@click.argument("file", type=_file)
@seat_option
@report_option
@click.option("--sequence", is_flag=True, help="Show what the parties sent one another.")
def replay(file: Path, seat: tuple[str, ...], reports: tuple[str, ...], sequence: bool) -> None:
    """Play a recording again, and say where something comes otherwise than it was recorded.

    FILE is a scenario file that was recorded, or a saved journal, of which one is made first. It is
    played with the seed and the settings that it was recorded with; otherwise as by `rehearse`.

    Exits with 0 when all came again, 1 when not, 2 when the file cannot be read.
    """
    from oscp_sim.recording import NothingToRecord, setting_of
    from oscp_sim.recording import record as made
    from oscp_sim.report import listeners
    from oscp_sim.scenario.console import ConsoleReport
    from oscp_sim.scenario.read import load_scenarios
    from oscp_sim.scenario.run import Rehearsal, run
    from oscp_sim.yaml_source import SourceError

    real = seats(seat)
    with bad_parameters("--report"):
        written = listeners(reports)
    with tempfile.TemporaryDirectory() as folder:
        scenario, is_journal = file, _is_journal(file)
        try:
            if is_journal:
                scenario = Path(folder) / f"{file.stem}.yaml"
                scenario.write_text(made(_opened(file), file.stem).text, encoding="utf-8")
            setting = setting_of(scenario.read_text(encoding="utf-8"))
            heading = file.resolve().parent.name
            scenarios = [replace(each, group=heading) for each in load_scenarios([scenario])]
        except SourceError as error:
            _end_with(error)
        except (NothingToRecord, ValueError) as error:
            _end([str(error)], "replay")
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
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; printed where not given.",
)
def export(journal: Path, output: Path | None) -> None:
    """Write the requests and answers of a saved journal as HTTP Archive (HAR 1.2).

    The developer tools of a browser open it: Network, Import HAR file.

    Exits with 0, or with 2 when the journal cannot be read.
    """
    from oscp_sim.openapi import version
    from oscp_sim.recording.har import har

    text = har(_opened(journal).entries, version())
    if output is None:
        click.echo(text)
    else:
        _write(output, text, "export")


def _is_journal(file: Path) -> bool:
    """Return whether a file is, or is to be, a saved journal; a scenario can begin so, too."""
    with file.open("rb") as opened:
        first = opened.readline(_LONGEST_LINE)
    return file.suffix == ".jsonl" or (first.startswith(b"{") and b"oscp-sim journal" in first)


def _opened(path: Path) -> SavedJournal:
    from oscp_sim.saved_journal import open_journal
    from oscp_sim.yaml_source import SourceError

    try:
        return open_journal(path)
    except SourceError as error:
        _end_with(error)


def _write(path: Path, text: str, command: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _end([f"{path} cannot be written: {error.strerror}"], command)


def _end_with(error: SourceError) -> NoReturn:
    _end(map(str, error.problems))


def _end(lines: Iterable[str], command: str | None = None) -> NoReturn:
    from oscp_sim.matching import printable

    for line in lines:
        click.echo(printable(f"oscp-sim {command}: {line}" if command else line), err=True)
    sys.exit(2)
