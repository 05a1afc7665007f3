"""The inspector: a page that shows what the parties do, and lets a person steer the simulated ones.

It is a page with a script and a style of its own, and changes nothing but by what is below `/_sim/`
for any program. `oscp-sim serve` has it; a program adds it to a simulator with `add_pages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, request

from oscp_send.cli.page import render
from oscp_sim.control import Refused, answering, entries_asked_for
from oscp_sim.faults import faults_schema
from oscp_sim.faults.model import KINDS
from oscp_sim.http import OURS
from oscp_sim.inspector.rows import FEW, MOST, detail, rows, told
from oscp_sim.journal import Journal
from oscp_sim.openapi import version
from oscp_sim.recording import Unrecordable, record, step_of
from oscp_sim.recording.har import har
from oscp_sim.report.html import drawn_plots, report
from oscp_sim.report.result import Gathered
from oscp_sim.report.session import tell_session
from oscp_sim.saved_journal import SavedJournal
from oscp_sim.scenario.timeline import Exchange, timeline
from oscp_sim.shared import Shared
from oscp_sim.simulator import Simulator

_HERE: Final = Path(__file__).parent
_FILES: Final = {"inspector.js": "text/javascript", "inspector.css": "text/css"}
# Nothing from elsewhere, no script that is written into the page, no frame around it.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def inspector(simulator: Simulator) -> Blueprint:
    """Return the page and what it asks for, for `Simulator.add_pages`."""
    pages, shared = Blueprint("inspector", __name__), simulator.shared
    pages.add_url_rule("/", view_func=_page, endpoint="page")
    for name, kind in _FILES.items():
        view = partial(_file, name, kind)
        pages.add_url_rule(f"{OURS}/{name}", view_func=view, endpoint=name.replace(".", "-"))
    for path, (handler, *methods) in _TABLE.items():
        answer = answering(partial(handler, shared))
        pages.add_url_rule(
            f"{OURS}/{path}", view_func=answer, endpoint=handler.__name__, methods=methods
        )
    return pages


def _page() -> Response:
    page = Response(render(_HERE / "inspector.html"), mimetype="text/html")
    page.headers["Content-Security-Policy"] = _POLICY
    page.headers["X-Content-Type-Options"] = "nosniff"
    page.headers["Referrer-Policy"] = "no-referrer"
    return page


def _file(name: str, kind: str) -> Response:
    return Response((_HERE / name).read_bytes(), mimetype=kind)


def _rows(shared: Shared) -> object:
    """Return what happened, a short row for each entry, with the filters of the journal."""
    entries, last = entries_asked_for(shared.journal)
    shown = entries[:MOST]
    more = len(shown) < len(entries)
    return {
        "last": shown[-1].number if more else last,
        "more": more,
        "forgotten": _is_forgotten(shared.journal, int(float(request.args.get("since", 0)))),
        "rows": list(rows(shown)),
        "told": list(told(shown, request.host_url)) if len(shown) <= FEW else [],
    }


def _told(shared: Shared) -> object:
    """Return what some entries say, those of them that there still are."""
    numbers = set(map(_whole, request.args.get("numbers", "").split(",")))
    known = shared.journal.entries(since=min(numbers) - 1)
    return {
        "told": list(told((each for each in known if each.number in numbers), request.host_url))
    }


def _is_forgotten(journal: Journal, seen: int) -> bool:
    """Return whether the last entry that a page saw is gone, as after a reset."""
    newer = iter(journal.entries(since=max(0, seen - 1)))
    return seen > 0 and getattr(next(newer, None), "number", None) != seen


def _entry(shared: Shared, number: str) -> object:
    """Return all about one entry."""
    return detail(shared.journal, _whole(number), request.host_url)


def _step(shared: Shared, number: str) -> object:
    """Return the step of a scenario that does again what an entry is about."""
    try:
        return {"step": step_of(SavedJournal.of(shared), _whole(number))}
    except Unrecordable as error:
        raise Refused(str(error), 409) from None


def _whole(number: str) -> int:
    if not number.isdecimal() or not number.isascii():
        raise Refused(f'an entry has a number, not "{number}"', 404)
    return int(number)


def _fault_kinds(_shared: Shared) -> object:
    """Return which faults there are, with the words that each takes, for who chooses one."""
    words = faults_schema()["definitions"]["rule"]["properties"]
    kinds = {
        name: {
            "does": kind.does,
            "where": [each for each in words["where"]["enum"] if each in kind.places],
            "takes": kind.takes,
            "needs": kind.needs,
        }
        for name, kind in KINDS.items()
    }
    return {"kinds": kinds, "words": words}


def _plots(shared: Shared) -> object:
    """Return the drawings of what was forecast, asked, granted and measured."""
    happened = timeline(shared.journal.entries())
    return {"plots": drawn_plots(each for each in happened if isinstance(each, Exchange))}


def _scenario(shared: Shared) -> Response:
    try:
        recording = record(_kept(shared, is_whole=True), "recorded")
    except Unrecordable as error:
        raise Refused(str(error), 409) from None
    return _download(recording.text.encode(), "recorded.yaml", "application/yaml")


def _archive(shared: Shared) -> Response:
    content = har(_kept(shared).entries, version()).encode()
    return _download(content, "session.har", "application/json")


def _report(shared: Shared) -> Response:
    pages: list[str] = []
    gathered = Gathered(lambda result: pages.append(report(result)))
    tell_session(shared, 0.0, [gathered], _kept(shared).entries)
    return _download(pages[0].encode(), "session.html", "text/html")


def _journal(shared: Shared) -> Response:
    content = "".join(_kept(shared).lines()).encode()
    return _download(content, "journal.jsonl", "application/jsonl")


def _kept(shared: Shared, *, is_whole: bool = False) -> SavedJournal:
    """Return what a file is to have: all, or the entries that a request names.

    Args:
        shared: What the parties share.
        is_whole: Whether all about the instructions of these entries comes with them.

    Raises:
        Refused: It names none.
    """
    saved = SavedJournal.of(shared)
    if request.method == "GET":
        return saved
    body = request.get_json(silent=True)
    numbers = body.get("entries") if isinstance(body, dict) else None
    if not isinstance(numbers, list) or not all(type(each) is int for each in numbers):
        raise Refused('which entries? for example {"entries": [17, 18]}; GET has all of them')
    named = set(numbers)
    chosen = [each for each in saved.entries if each.number in named]
    about = {each.instruction_id for each in chosen} - {None} if is_whole else set()
    return replace(
        saved,
        entries=tuple(
            each for each in saved.entries if each.number in named or each.instruction_id in about
        ),
    )


def _download(content: bytes, name: str, kind: str) -> Response:
    response = Response(content, mimetype=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


_TABLE: Final[Mapping[str, tuple[Any, ...]]] = {
    "rows": (_rows, "GET"),
    "told": (_told, "GET"),
    "entries/<number>": (_entry, "GET"),
    "entries/<number>/step": (_step, "GET"),
    "fault-kinds": (_fault_kinds, "GET"),
    "plots": (_plots, "GET"),
    "scenario.yaml": (_scenario, "GET", "POST"),
    "session.har": (_archive, "GET", "POST"),
    "session.html": (_report, "GET", "POST"),
    # All of it is in the control interface.
    "journal.jsonl": (_journal, "POST"),
}
