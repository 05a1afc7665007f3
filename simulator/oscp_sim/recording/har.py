"""A journal as HTTP Archive (HAR 1.2), which the developer tools of a browser open."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl

import harfile

from oscp_sim.entry import Entry
from oscp_sim.http import Headers, Request, Response
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.recording.requests import requested

_VERSION: Final = "HTTP/1.1"
# As browsers write it for a request without an answer.
_UNANSWERED: Final = 0


def har(entries: Iterable[Entry], version: str) -> str:
    """Return the exchanges of a journal as HAR, each once, in the order of the journal.

    What never was HTTP, as the queue between SolarUser and the Flexibility Provider, is not in it.
    """
    file = io.StringIO()
    with harfile.open(file, creator=harfile.Creator("oscp-sim", version)) as archive:
        for entry in _exchanges(entries):
            _add(archive, entry)
    return file.getvalue()


def _exchanges(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield one side of each exchange: that of its sender, where there is one."""
    exchanges = [each for each in entries if each.kind == "exchange" and each.request]
    sent = {each.exchange_id for each in exchanges if each.sent}
    yield from (each for each in exchanges if each.sent or each.exchange_id not in sent)


def _add(archive: harfile.HarFile, entry: Entry) -> None:
    # When an answer was to come is all that the journal knows of how long it took.
    waited = float(entry.detail.get("answered_after", 0.0)) * 1000
    sender = entry.party if entry.sent else entry.peer or "a program"
    receiver = entry.peer or "an address" if entry.sent else entry.party
    what = f", {entry.action}" if entry.action else ""
    archive.add_entry(
        startedDateTime=entry.at,
        time=waited,
        request=_request(requested(entry)),
        response=_response(entry.response),
        timings=harfile.Timings(send=0, wait=waited, receive=0),
        comment=f"entry {entry.number} of the journal: {sender} to {receiver}{what}",
    )


def _request(request: Request) -> harfile.Request:
    named = parse_qsl(request.query, keep_blank_values=True)
    body = request.text
    kind = request.fields.get("content-type") or request.fields.get("Content-Type") or ""
    return harfile.Request(
        request.method,
        _url(request),
        _VERSION,
        headers=_records(request.headers),
        queryString=_records(named),
        postData=harfile.PostData(kind, text=body) if body else None,
        bodySize=len(request.body or b""),
    )


def _url(request: Request) -> str:
    if "://" in request.target:
        return request.target
    host = request.fields.get("host")
    return (f"http://{host}" if host else IN_PROCESS_URL) + request.target


def _response(response: Response | None) -> harfile.Response:
    if response is None:
        return harfile.Response(_UNANSWERED, "", "", comment="there was no answer")
    kind = response.header("content-type") or "x-unknown"
    text = response.text
    content = harfile.Content(len(response.body), mimeType=kind, text=text or None)
    return harfile.Response(
        response.status,
        response.phrase,
        _VERSION,
        headers=_records(response.headers),
        content=content,
        redirectURL=response.header("location") or "",
        bodySize=len(response.body),
    )


def _records(pairs: Headers | Iterable[tuple[str, str]]) -> list[harfile.Record]:
    return [harfile.Record(name, value) for name, value in pairs]
