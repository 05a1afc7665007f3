"""What the page's list and its view of one exchange are made of, as JSON values."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from oscp_send.hints import decline_hint
from oscp_send.instruction import split
from oscp_send.rules import rules
from oscp_send.times import utc_text
from oscp_sim.entry import Entry
from oscp_sim.journal import Journal
from oscp_sim.outgoing import IN_PROCESS_URL
from oscp_sim.report.chart import ends, lane_name, lane_of
from oscp_sim.scenario.sequence import answer_summary, note_text, summary
from oscp_sim.scenario.timeline import (
    SHOWN_BY_ANSWERS,
    Exchange,
    Note,
    TimelineEntry,
    ends_of,
    exchange_of,
    joined,
    timeline,
)

#: How many entries one answer may tell of, and of how few it says at once what they say.
MOST, FEW = 2000, 50
# How the parties begin the addresses of one another.
_WITHIN: Final = f"{IN_PROCESS_URL}/"
# From this status of HTTP on.
_REFUSED: Final = 400
# The headers of a request that say the most, in this order, before all others.
_TELLING: Final = (
    "Authorization",
    "X-SN-Date",
    "Date",
    "Digest",
    "Content-Type",
    "X-Request-ID",
    "X-Correlation-ID",
    "X-SN-Source-ID",
)
_OF_SIGNATURES: Final = ("canonical request: ", "string to sign: ")


def rows(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Yield a row for each entry that a list shows, in order: who, what, and how it ended.

    Nothing is read or judged for it, so that many are cheap; what they say is in `told`. Both sides
    of an exchange are rows, with the same `exchange`; a reader shows one. Left out are looks at
    what SolarUser has that went well, and states that the answers show anyway.
    """
    for entry in entries:
        if entry.state in SHOWN_BY_ANSWERS or _is_idle_look(entry):
            continue
        row: dict[str, Any] = {
            "number": entry.number,
            "at": utc_text(entry.at),
            "kind": entry.kind,
            "action": entry.action,
            "instruction": entry.instruction_id,
            "state": entry.state,
        }
        if entry.kind != "exchange" and not entry.is_handed_over:
            yield {**row, "party": lane_name(lane_of(entry.party, entry.system))}
            continue
        sender, receiver = (lane_name(lane_of(each, entry.system)) for each in ends_of(entry))
        yield {
            **row,
            "kind": "exchange",
            "exchange": entry.exchange_id,
            "from": sender,
            "to": receiver,
            "method": entry.method,
            "status": entry.status,
            "is_queue": entry.is_handed_over,
            "is_sent": entry.sent,
        }


def _is_idle_look(entry: Entry) -> bool:
    is_look = entry.party == "solaruser" and entry.method == "GET" and not entry.sent
    return is_look and entry.status is not None and entry.status < _REFUSED


def told(entries: Iterable[Entry], here: str) -> Iterator[dict[str, Any]]:
    """Yield what each entry of the list says: its message, its answer, and what was found in it.

    What the parties call the simulator among themselves is shown as where the reader found it.
    """
    for entry in entries:
        for each in timeline([entry], [entry.exchange_id]):
            yield {"number": entry.number, **_said(each, here)}


def _said(each: TimelineEntry, here: str) -> dict[str, Any]:
    broken = dict.fromkeys((one["rule"], one["severity"]) for one in each.findings)
    found = [{"rule": rule, "severity": severity} for rule, severity in broken]
    if isinstance(each, Note):
        return {"says": note_text(each, 1), "findings": found}
    return {
        "says": summary(each).replace(_WITHIN, here),
        "answer": answer_summary(each),
        "why": _why(each),
        "path": each.target,
        "group": _group(each),
        "findings": found,
    }


def _why(exchange: Exchange) -> str:
    """Return in a line why an exchange failed, where its answer or its parties say it."""
    if exchange.status is None or exchange.status < _REFUSED:
        return ""
    remarks = (each for each in exchange.notes if not each.startswith(_OF_SIGNATURES))
    return next(remarks, answer_summary(exchange))


def _group(exchange: Exchange) -> str | None:
    """Return the Capacity Group that an exchange is about, if its message names one."""
    named = dict(exchange.parameters) if exchange.receiver == "solaruser" else {}
    if "cgIdentifier" in named:
        return named["cgIdentifier"]
    try:
        body = json.loads(exchange.content)
    except (ValueError, RecursionError):
        return None
    found = (
        (body.get("group_id") or body.get("cgIdentifier")) if isinstance(body, Mapping) else None
    )
    return None if found is None else str(found)


def detail(journal: Journal, number: int, here: str) -> dict[str, Any]:
    """Return everything about one entry, and about the other side of its exchange.

    Raises:
        LookupError: There is no such entry, or it was forgotten.
    """
    entry = next(iter(journal.entries(since=number - 1)), None)
    if entry is None or entry.number != number:
        raise LookupError(f"there is no entry {number}: the newest is {journal.last}")
    told: dict[str, Any] = {"entry": entry.to_dict(), "findings": list(_findings(entry.findings))}
    whole = next(iter(timeline([entry], [entry.exchange_id])), None)
    if not isinstance(whole, Exchange):
        return told
    other = _other_side(journal, entry)
    if other is not None:
        whole = joined(exchange_of(entry), other)
        told["other"] = other.number
        told["findings"] = list(_findings((*entry.findings, *other.findings)))
    message, parts = _message(whole)
    return {
        **told,
        "from": lane_name(ends(whole)[0]),
        "to": lane_name(ends(whole)[1]),
        "method": whole.method,
        "target": whole.target.replace(_WITHIN, here),
        "is_queue": whole.is_handed_over,
        "status": whole.status,
        "says": summary(whole).replace(_WITHIN, here),
        "answer_says": answer_summary(whole),
        "hint": _hint(whole),
        # What is shown beside the signature has a place of its own.
        "notes": [each for each in whole.notes if not each.startswith(_OF_SIGNATURES)],
        "headers": [list(each) for each in _ordered(whole.headers)],
        "answer_headers": [list(each) for each in whole.answer_headers],
        "body": whole.body,
        "answer": whole.answer,
        "message": message,
        "parts": parts,
        "signature": {
            name: entry.detail[name]
            for name in ("canonical_request", "string_to_sign")
            if name in entry.detail
        },
        "curl": _curl(entry, here),
    }


def _hint(exchange: Exchange) -> str:
    """Return what to do about an instruction that was declined at once, if there is anything."""
    _, declined, reason = answer_summary(exchange).partition(" Declined: ")
    return decline_hint(reason) if declined and exchange.receiver == "solaruser" else ""


def _other_side(journal: Journal, entry: Entry) -> Entry | None:
    if entry.exchange_id is None:
        return None
    return next(
        (
            each
            for each in journal.entries(kind="exchange")
            if each.exchange_id == entry.exchange_id and each.number != entry.number
        ),
        None,
    )


def _findings(findings: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    known = rules()
    for found in findings:
        rule = known.get(str(found.get("rule")))
        yield {**found, "explained": "" if rule is None else rule.what}


def _ordered(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    ranks = {name.lower(): rank for rank, name in enumerate(_TELLING)}
    return sorted(headers, key=lambda each: ranks.get(each[0].lower(), len(ranks)))


def _message(exchange: Exchange) -> tuple[str, list[str]]:
    """Return the text of the OSCP message, and the parts that SolarUser keeps it in."""
    if exchange.receiver != "solaruser" and not exchange.is_handed_over:
        return exchange.body, []
    named = exchange.parameters
    if exchange.is_handed_over:
        named = list(json.loads(exchange.body).items())
    text = next((value for name, value in named if name == "msg"), "")
    return str(text), list(split(str(text)))


def _curl(entry: Entry, here: str) -> str:
    """Return a command that asks the same again; a signature is to be made anew."""
    request = entry.request
    if request is None:
        return ""
    words = ["curl", "-X", request.method, request.target]
    if not request.target.startswith("http"):
        host = exchange_of(entry).header("Host") or "127.0.0.1:8920"
        words[-1] = f"http://{host}{request.target}"
    words[-1] = words[-1].replace(_WITHIN, here)
    skipped = {"host", "content-length", "connection", "accept-encoding", "user-agent"}
    for name, value in request.headers:
        if name.lower() not in skipped:
            words += ["-H", f"{name}: {value}"]
    if request.text:
        # Of --data-binary, a text that begins with @ would be the name of a file to send.
        words += ["--data-raw", request.text]
    return shlex.join(words)
