"""Rules that need history (oscp20.md §3.13): each finds its mistake, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Unpack

import pytest

from oscp_send.findings import Finding
from oscp_sim.conversation import Conversation
from tests.oscp_sim.conversing import (
    GROUP,
    OPENED,
    REGISTERED,
    How,
    Line,
    at,
    behaviour,
    block,
    by_the_other,
    converse,
    energy,
    forecast,
    heartbeat,
    measured,
    ours,
    theirs,
)

UPDATE, ADJUST = "UpdateGroupCapacityForecast", "AdjustGroupCapacityForecast"
ERROR, ACKNOWLEDGE = "GroupCapacityComplianceError", "HandshakeAcknowledge"
MEASURED, ASSETS = "UpdateGroupMeasurements", "UpdateAssetMeasurement"
BLOCKS = "/forecasted_blocks"

R1 = ours(UPDATE, forecast(block(240, 270), block(270, 300, 35.5)), id="r1", minute=0)  # number 5


class Found(NamedTuple):
    """What is found in the last line, and part of its text."""

    rule: str
    severity: str
    pointer: str
    exchange: int | None
    case: str | None
    text: str


def limits(kind: str, *blocks: dict[str, object], **how: Unpack[How]) -> Line:
    return ours(UPDATE, forecast(*blocks, kind=kind), **how)


def optimum(*blocks: dict[str, object]) -> Line:
    return theirs(UPDATE, forecast(*blocks, kind="OPTIMUM"), id="o1")


def adjust(*blocks: dict[str, object], names: str | None = None, **changes: str) -> Line:
    return theirs(ADJUST, forecast(*blocks, **changes), id="u4", names=names)


def complain(*blocks: dict[str, object], names: str | None = "r1") -> Line:
    body: dict[str, object] = {"message": "Too little"}
    if blocks:
        body["forecasted_blocks"] = list(blocks)
    return theirs(ERROR, body, id="u5", names=names)


def asked(*styles: str, interval: float | None = None) -> tuple[Line, ...]:
    """Return an opening in which the party itself asks the other one for something."""
    return (*REGISTERED, ours("Handshake", behaviour(*styles, interval=interval), id="h1"))


def of_asset(reading: dict[str, object]) -> dict[str, object]:
    return {"asset_id": "bus-1", "asset_category": "CHARGING", "energy_measurement": reading}


FALLBACK = limits("FALLBACK_CONSUMPTION", block(0, 60), id="f1", minute=0)  # number 5

# What is said, and what is found in the last line; nothing may be found in the lines before it.
FOUND: dict[str, tuple[tuple[Line, ...], Found]] = {
    "S8: a group never forecast": (
        (*OPENED, R1, adjust(block(240, 270), group="depot-8")),
        Found("S8", "warning", "/group_id", None, None, "no forecast of depot-8"),
    ),
    "S8: nothing forecast at all": (
        (*OPENED, adjust(block(240, 270))),
        Found("S8", "warning", "/group_id", None, None, f"no forecast of {GROUP}"),
    ),
    "S8: a type never forecast": (
        (*OPENED, R1, adjust(block(240, 270), kind="GENERATION")),
        Found("S8", "warning", "/type", None, None, "only CONSUMPTION"),
    ),
    "S8: an interval outside of the forecast": (
        (*OPENED, R1, adjust(block(240, 270), block(300, 315), block(315, 330))),
        Found("S8", "warning", f"{BLOCKS}/1", 5, None, "2031-03-01 17:00 to 17:30 UTC"),
    ),
    "S8: an interval right behind the forecast": (
        (*OPENED, R1, adjust(block(240, 300), block(300, 330))),
        Found("S8", "warning", f"{BLOCKS}/1", 5, None, "17:00 to 17:30 UTC was not forecast"),
    ),
    "S8: an interval that begins before the forecast": (
        (*OPENED, R1, adjust(block(225, 270))),
        Found("S8", "warning", f"{BLOCKS}/0", 5, None, "15:45 to 16:00 UTC"),
    ),
    "S8: only the adjusting side has forecast it": (
        (*OPENED, replace(R1, sent=False), adjust(block(240, 270))),
        Found("S8", "warning", "/group_id", None, None, "the Capacity Provider sent no forecast"),
    ),
    "S8: correlated with a forecast never sent": (
        (*OPENED, R1, adjust(block(240, 270), names="r7")),
        Found("S8", "warning", "", None, "X10", "r7 names no UpdateGroupCapacityForecast"),
    ),
    "S8: correlated with a handshake": (
        (*OPENED, R1, adjust(block(240, 270), names="h1")),
        Found("S8", "warning", "", 3, "X10", "it belongs to the Capacity Provider's Handshake"),
    ),
    "S9: the fallback ends before the sender would go offline": (
        (*OPENED, FALLBACK, ours("Heartbeat", heartbeat(59)), ours("Heartbeat", heartbeat(60))),
        Found("S9", "warning", "/offline_mode_at", 5, None, "not cover 2031-03-01 13:00 UTC"),
    ),
    "S9: the fallback never covers the offline time": (
        (*OPENED, FALLBACK, ours("Heartbeat", heartbeat(61))),
        Found("S9", "warning", "/offline_mode_at", 5, None, "FALLBACK_CONSUMPTION of depot-7"),
    ),
    "S9: a fallback too late for the offline time": (
        (
            *OPENED,
            ours("Heartbeat", heartbeat(5), minute=0),
            limits("FALLBACK_GENERATION", block(6, 60)),
        ),
        Found("S9", "warning", BLOCKS, 5, None, "12:05 UTC, when the Capacity Provider"),
    ),
    "S10: an optimum above the consumption limit": (
        (*OPENED, R1, optimum(block(240, 270, 50), block(270, 300, 36))),
        Found("S10", "warning", f"{BLOCKS}/1/capacity", 5, None, "beyond the 35.5 KW"),
    ),
    "S10: an optimum across two limits": (
        (*OPENED, R1, optimum(block(240, 300, 40))),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 5, None, "16:30 to 17:00 UTC"),
    ),
    "S10: a later forecast lowers the limit": (
        (*OPENED, R1, limits("CONSUMPTION", block(250, 260, 10)), optimum(block(240, 270))),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 6, None, "16:10 to 16:20 UTC"),
    ),
    "S10: watts against kilowatts": (
        (*OPENED, R1, optimum(block(240, 270, 50_001, unit="W"))),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 5, None, "50001 W is beyond the 50 KW"),
    ),
    "S10: an energy against a power": (
        (*OPENED, R1, optimum(block(240, 270, 26, unit="KWH"))),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 5, None, "26 KWH is beyond the 50 KW"),
    ),
    "S10: limits of its own sender": (
        (*OPENED, R1, replace(optimum(block(240, 270, 51)), sent=True)),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 5, None, "of the CONSUMPTION forecast r1"),
    ),
    "S10: amperes of a phase": (
        (
            *OPENED,
            limits("CONSUMPTION", block(0, 60, 16, unit="A", phase="ONE"), minute=0),
            optimum(block(0, 60, 17, unit="A", phase="ONE")),
        ),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 5, None, "17 A is beyond the 16 A"),
    ),
    "S10: beyond the generation limit, with no other": (
        (*OPENED, limits("GENERATION", block(0, 60, 20), minute=0), optimum(block(0, 60, 21))),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 5, None, "of the GENERATION forecast"),
    ),
    "S10: generating more than the limit": (
        (
            *OPENED,
            limits("CONSUMPTION", block(0, 60, 50), minute=0),
            limits("GENERATION", block(0, 60, 20)),
            optimum(block(0, 60, -21)),
        ),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 6, None, "-21 KW is beyond the 20 KW"),
    ),
    "S10: beyond both limits": (
        (
            *OPENED,
            limits("CONSUMPTION", block(0, 60, 50), minute=0),
            limits("GENERATION", block(30, 60, 60)),
            optimum(block(0, 60, 55)),
        ),
        Found("S10", "warning", f"{BLOCKS}/0/capacity", 5, None, "12:00 to 12:30 UTC"),
    ),
    "S12: less than an interval ahead": (
        (*OPENED, theirs("Heartbeat", heartbeat(0.9), id="u3", minute=0)),
        Found("S12", "warning", "/offline_mode_at", 3, None, "54 s ahead, but the Capacity"),
    ),
    "S12: less than an interval of seconds ahead": (
        (
            *asked(interval=2),
            theirs("Heartbeat", {"offline_mode_at": "2031-03-01T12:00:01.250Z"}, minute=0),
        ),
        Found("S12", "warning", "/offline_mode_at", 3, None, "12:00:01.250 UTC is 1.25 s ahead"),
    ),
    "S12: the acknowledge asked for the interval": (
        (
            *REGISTERED,
            ours("Handshake", behaviour("CONTINUOUS"), id="h1"),
            theirs(ACKNOWLEDGE, behaviour(interval=300), id="u2", names="h1"),
            ours("Heartbeat", heartbeat(4), minute=0),
        ),
        Found("S12", "warning", "/offline_mode_at", 4, None, "every 300 s"),
    ),
    "S12: the offline time stands still": (
        (
            *OPENED,
            ours("Heartbeat", heartbeat(9), minute=0),
            ours("Heartbeat", heartbeat(9), minute=1),
        ),
        Found("S12", "warning", "/offline_mode_at", 5, None, "is still that of the heartbeat"),
    ),
    "S12: the offline time moves back": (
        (
            *OPENED,
            ours("Heartbeat", heartbeat(9), minute=0),
            ours("Heartbeat", heartbeat(8), minute=0),
        ),
        Found("S12", "warning", "/offline_mode_at", 5, None, "is earlier than that of the"),
    ),
    "S13: intermittent without a start": (
        (*asked("INTERMITTENT"), theirs(MEASURED, measured(energy(7, 0)))),
        Found("S13", "error", "/measurements/0", 3, None, "lacks initial_measure_time"),
    ),
    "S13: intermittent without a start, of an asset": (
        (*asked("INTERMITTENT"), theirs(ASSETS, measured(of_asset(energy(7, 0))))),
        Found("S13", "error", "/measurements/0/energy_measurement", 3, None, "INTERMITTENT"),
    ),
    "S13: either style was asked for": (
        (*asked("CONTINUOUS", "INTERMITTENT"), theirs(MEASURED, measured(energy(7, 0)))),
        Found("S13", "warning", "/measurements/0", 3, None, "lacks initial_measure_time"),
    ),
    "S14: a counter fell": (
        (
            *OPENED,
            theirs(MEASURED, measured(energy(10, 0)), minute=0),
            theirs(MEASURED, measured(energy(9, 1), energy(9, 2))),
        ),
        Found("S14", "warning", "/measurements/0/value", 5, None, "9 is less than the 10 of"),
    ),
    "S14: a counter fell, though not to its lowest": (
        (
            *OPENED,
            theirs(MEASURED, measured(energy(10, 5)), minute=0),
            theirs(MEASURED, measured(energy(8, 1))),
            theirs(MEASURED, measured(energy(9, 6))),
        ),
        Found("S14", "warning", "/measurements/0/value", 5, None, "9 is less than the 10 of"),
    ),
    "S14: a counter fell, listed out of order": (
        (
            *OPENED,
            theirs(MEASURED, measured(energy(10, 0)), minute=0),
            theirs(MEASURED, measured(energy(11, 2), energy(9, 1))),
        ),
        Found("S14", "warning", "/measurements/1/value", 5, None, "9 is less than the 10 of"),
    ),
    "S14: a later reading arrived first": (
        (
            *OPENED,
            theirs(MEASURED, measured(energy(10, 5)), minute=0),
            theirs(MEASURED, measured(energy(11, 1))),
        ),
        Found("S14", "warning", "/measurements/0/value", 5, None, "11 is more than the 10 of"),
    ),
    "S14: restarted, though continuous was asked for": (
        (
            *asked("CONTINUOUS"),
            theirs(MEASURED, measured(energy(10, 5, initial_measure_time=at(0)))),
            theirs(MEASURED, measured(energy(1, 7, initial_measure_time=at(6)))),
        ),
        Found("S14", "warning", "/measurements/0/value", 4, None, "1 is less than the 10"),
    ),
    "S14: the counter of an asset": (
        (
            *OPENED,
            theirs(ASSETS, measured(of_asset(energy(10, 0)))),
            theirs(ASSETS, measured(of_asset(energy(9, 1)))),
        ),
        Found("S14", "warning", "/measurements/0/energy_measurement/value", 5, None, "9 is less"),
    ),
    "S15: no correlation id": (
        (*OPENED, R1, complain(names=None)),
        Found("S15", "error", "", None, "X9", "there is no X-Correlation-ID"),
    ),
    "S15: an empty correlation id": (
        (*OPENED, R1, complain(names="")),
        Found("S15", "error", "", None, "X9", "there is no X-Correlation-ID"),
    ),
    "S15: a forecast never sent": (
        (*OPENED, R1, complain(names="r7")),
        Found("S15", "error", "", None, "X10", "X-Correlation-ID r7 names no Update"),
    ),
    "S15: another message of the Capacity Provider": (
        (*OPENED, R1, complain(names="h1")),
        Found("S15", "error", "", 3, "X10", "it belongs to the Capacity Provider's Handshake"),
    ),
    "S15: a message of its sender": (
        (*OPENED, R1, complain(names="u2")),
        Found("S15", "error", "", 4, "X10", "the Flexibility Provider's HandshakeAcknowledge"),
    ),
    "S16: no correlation id": (
        (*OPENED[:3], theirs(ACKNOWLEDGE, id="u2")),
        Found("S16", "error", "", 3, None, "names no Handshake: there is no X-Correlation-ID"),
    ),
    "S16: a handshake never sent": (
        (*OPENED[:3], theirs(ACKNOWLEDGE, id="u2", names="h7")),
        Found("S16", "error", "", 3, None, "h7 names no Handshake that the Capacity Provider"),
    ),
    "S16: its sender's own handshake": (
        (
            *OPENED,
            theirs("Handshake", behaviour(), id="v1", minute=0),
            theirs(ACKNOWLEDGE, id="u6", names="v1"),
        ),
        Found("S16", "error", "", 5, None, "it belongs to the Flexibility Provider's Handshake"),
    ),
    "S16: an acknowledge of nothing": (
        (*OPENED, ours(ACKNOWLEDGE, id="k1", names="h7", minute=0)),
        Found("S16", "error", "", None, "X11", "the Flexibility Provider has sent none"),
    ),
    "S17: a handshake before registration": (
        (theirs("Handshake", behaviour(), id="h1"),),
        Found("S17", "error", "", None, None, "neither side has sent Register"),
    ),
    "S17: a forecast before registration": (
        (replace(R1, minute=None),),
        Found("S17", "error", "", None, None, "UpdateGroupCapacityForecast comes before reg"),
    ),
    "S17: while registration is under way": (
        (REGISTERED[0], ours("Handshake", behaviour(), id="h1")),
        Found("S17", "error", "", None, None, "the Flexibility Provider has not answered"),
    ),
    "S17: registration was answered by no message": (
        (REGISTERED[1], ours("Heartbeat", heartbeat(9), minute=0)),
        Found("S17", "error", "", None, None, "the Capacity Provider has not answered"),
    ),
    "S17: a heartbeat before a handshake": (
        (*REGISTERED, theirs("Heartbeat", heartbeat(9), id="u3", minute=0)),
        Found("S17", "error", "", None, None, "neither side has sent Handshake"),
    ),
    "S17: a forecast before a handshake": (
        (*REGISTERED, R1),
        Found("S17", "error", "", None, "X12", "UpdateGroupCapacityForecast comes before a hand"),
    ),
    "S17: an acknowledge without a handshake": (
        (*REGISTERED, theirs(ACKNOWLEDGE, id="u2", names="h1")),
        Found("S17", "error", "", None, "X11", "HandshakeAcknowledge comes before a handshake"),
    ),
    "S18: another capacity": (
        (*OPENED, R1, complain(block(270, 300, 30))),
        Found("S18", "warning", f"{BLOCKS}/0/capacity", 5, None, "r1 says 35.5 KW, not 30"),
    ),
    "S18: another interval": (
        (*OPENED, R1, complain(block(240, 270), block(280, 300, 35.5))),
        Found("S18", "warning", f"{BLOCKS}/1", 5, None, "2031-03-01 16:30 to 17:00 UTC in KW"),
    ),
    "S18: another unit": (
        (*OPENED, R1, complain(block(240, 270, unit="W"))),
        Found("S18", "warning", f"{BLOCKS}/0", 5, None, "has no such block"),
    ),
    "S18: outside of the forecast": (
        (*OPENED, R1, complain(block(300, 330))),
        Found("S18", "warning", f"{BLOCKS}/0", 5, None, "forecast r1 has no block at that time"),
    ),
    "S19: a forecast twice": (
        (*OPENED, R1, R1),
        Found("S19", "warning", "", 5, "X8", "has used X-Request-ID r1 before, for this message"),
    ),
    "S19: one id for two messages": (
        (*OPENED, R1, ours("Heartbeat", heartbeat(9), id="r1")),
        Found("S19", "warning", "", 5, "X8", "r1 before, for UpdateGroupCapacityForecast"),
    ),
    "S19: a heartbeat twice": (
        (*OPENED, *(theirs("Heartbeat", heartbeat(9), id="u3", minute=m) for m in (0, 1))),
        Found("S19", "warning", "", 5, "X8", "the Flexibility Provider has used"),
    ),
    "S19: a third time, the first one is meant": (
        (*OPENED, ours("Register", id="r9"), ours("Register", id="a1")),
        Found("S19", "warning", "", 1, "X8", "has used X-Request-ID a1"),
    ),
    "same-message: a forecast under another id": (
        (*OPENED, R1, replace(R1, id="r2")),
        Found("same-message", "info", "", 5, None, "the same UpdateGroupCapacityForecast before"),
    ),
    "same-message: a forecast without an id": (
        (*OPENED, R1, replace(R1, id=None)),
        Found("same-message", "info", "", 5, None, "the Capacity Provider has sent the same"),
    ),
    "same-message: an adjustment, much later": (
        (
            *OPENED,
            R1,
            adjust(block(240, 270)),
            *(replace(adjust(block(240, 270, 100 + m)), id=f"v{m}") for m in range(100)),
            replace(adjust(block(240, 270)), id="u9"),
        ),
        Found("same-message", "info", "", 6, None, "the Flexibility Provider has sent the same"),
    ),
    "same-message: a compliance error of the same forecast": (
        (*OPENED, R1, complain(), replace(complain(), id="u9")),
        Found("same-message", "info", "", 6, None, "the same GroupCapacityComplianceError"),
    ),
    "same-message: measurements of a number that no double holds": (
        (
            *OPENED,
            *(theirs(MEASURED, measured(energy(10**400, 0)), id=f"m{n}") for n in range(2)),
        ),
        Found("same-message", "info", "", 5, None, "the same UpdateGroupMeasurements"),
    ),
}

# What comes close to a rule and is right: nothing is found in any line.
NOT_FOUND: dict[str, tuple[Line, ...]] = {
    "same-message: the other side says it, too": (
        *OPENED,
        R1,
        theirs(UPDATE, R1.body, id="o1"),
    ),
    "same-message: an adjustment of another forecast": (
        *OPENED,
        R1,
        replace(R1, id="r2", body=forecast(block(240, 300))),
        adjust(block(240, 270), names="r1"),
        replace(adjust(block(240, 270), names="r2"), id="u9"),
    ),
    "same-message: another capacity": (
        *OPENED,
        R1,
        adjust(block(240, 270, 1)),
        replace(adjust(block(240, 270, 2)), id="u9"),
    ),
    "same-message: a handshake may be repeated": (
        *OPENED,
        ours("Handshake", behaviour("CONTINUOUS", interval=60), id="h2"),
    ),
    "S8: part of the forecast": (*OPENED, R1, adjust(block(245, 290), names="r1")),
    "S8: two forecasts together": (
        *OPENED,
        R1,
        limits("CONSUMPTION", block(300, 330)),
        adjust(block(240, 330)),
    ),
    "S8: a forecast of long ago": (
        *OPENED,
        R1,
        *(limits("CONSUMPTION", block(m, m + 1)) for m in range(500, 700)),
        adjust(block(240, 270), names="r1"),
    ),
    "S8: an empty correlation id": (*OPENED, R1, adjust(block(240, 270), names="")),
    "S9: the fallback is extended": (
        *OPENED,
        FALLBACK,
        ours("Heartbeat", heartbeat(59)),
        limits("FALLBACK_CONSUMPTION", block(60, 120)),
        ours("Heartbeat", heartbeat(60)),
    ),
    "S9: no fallback was ever sent": (*OPENED, R1, ours("Heartbeat", heartbeat(60))),
    "S9: the fallback of the other side": (*OPENED, FALLBACK, theirs("Heartbeat", heartbeat(99))),
    "S9: a fallback within an earlier one": (
        *OPENED,
        FALLBACK,
        ours("Heartbeat", heartbeat(40)),
        limits("FALLBACK_CONSUMPTION", block(10, 20)),
    ),
    "S9: the offline time has passed already": (
        *OPENED,
        ours("Heartbeat", heartbeat(5), minute=0),
        limits("FALLBACK_CONSUMPTION", block(6, 60), minute=6),
    ),
    "S10: at the limit": (*OPENED, R1, optimum(block(240, 270, 50), block(270, 300, 35.5))),
    "S10: the same power as an energy": (*OPENED, R1, optimum(block(240, 270, 25, unit="KWH"))),
    "S10: a later forecast raises the limit": (
        *OPENED,
        R1,
        limits("CONSUMPTION", block(240, 300, 60)),
        optimum(block(240, 300, 55)),
    ),
    "S10: no limit known there": (*OPENED, R1, optimum(block(300, 330, 99))),
    "S10: of another phase": (*OPENED, R1, optimum(block(240, 270, 99, phase="ONE"))),
    "S10: power is no current": (*OPENED, R1, optimum(block(240, 270, 99, unit="A"))),
    "S10: a generation within its limit": (
        *OPENED,
        limits("CONSUMPTION", block(0, 60, 10), minute=0),
        limits("GENERATION", block(0, 60, 20)),
        optimum(block(0, 60, 15), block(60, 120, -15)),
    ),
    "S10: a block without length is told without history": (
        *OPENED,
        R1,
        optimum(block(240, 240, 99, unit="KWH")),
    ),
    "S10: of another group": (
        *OPENED,
        R1,
        theirs(UPDATE, forecast(block(240, 270, 99), kind="OPTIMUM", group="depot-8")),
    ),
    "S10: a limit itself is no optimum": (*OPENED, R1, limits("CONSUMPTION", block(240, 270, 99))),
    "S12: an interval ahead": (*OPENED, theirs("Heartbeat", heartbeat(1), minute=0)),
    "S12: almost an interval ahead, for it took its time": (
        *OPENED,
        theirs("Heartbeat", heartbeat(0.985), minute=0),
    ),
    "S12: nobody asked this side": (*OPENED, ours("Heartbeat", heartbeat(0.1), minute=0)),
    "S12: sooner than asked for": (
        *OPENED,
        *(theirs("Heartbeat", heartbeat(m + 1), minute=m) for m in (0, 0.25, 0.5)),
    ),
    "S12: no interval at all": (
        *asked(interval=0.5),
        theirs("Heartbeat", heartbeat(0.005), minute=0),
    ),
    "S12: the past is told without history": (
        *OPENED,
        theirs("Heartbeat", heartbeat(0), minute=0),
    ),
    "S12: two at one instant": (
        *OPENED,
        *(ours("Heartbeat", heartbeat(9), minute=0) for _ in range(2)),
    ),
    "S13: says since when": (
        *asked("INTERMITTENT"),
        theirs(MEASURED, measured(energy(7, 5, initial_measure_time=at(0)))),
    ),
    "S13: towards who did not ask": (
        *asked("INTERMITTENT"),
        ours(MEASURED, measured(energy(7, 0))),
    ),
    "S13: power is no counter": (
        *asked("INTERMITTENT"),
        theirs(ASSETS, measured({"asset_id": "a", "instantaneous_measurement": {"value": 1}})),
    ),
    "S14: the same again, and more": (
        *OPENED,
        *(theirs(MEASURED, measured(energy(value, m))) for m, value in enumerate((9, 9, 10))),
    ),
    "S14: restarted": (
        *REGISTERED,
        theirs("Handshake", behaviour("CONTINUOUS"), id="h1"),
        theirs(MEASURED, measured(energy(10, 5, initial_measure_time=at(0)))),
        theirs(MEASURED, measured(energy(1, 7, initial_measure_time=at(6)))),
    ),
    "S14: netted energy": (
        *OPENED,
        *(theirs(MEASURED, measured(energy(-m, m, direction="NET"))) for m in (1, 2)),
    ),
    "S14: one time, read twice": (
        *OPENED,
        *(theirs(MEASURED, measured(energy(value, 5))) for value in (10, 11, 9)),
    ),
    "S14: another asset": (
        *OPENED,
        theirs(ASSETS, measured(of_asset(energy(10, 0)))),
        theirs(ASSETS, measured({**of_asset(energy(9, 1)), "asset_id": "bus-2"})),
    ),
    "S14: another group": (
        *OPENED,
        theirs(MEASURED, measured(energy(10, 0))),
        theirs(MEASURED, measured(energy(9, 1), group="depot-8")),
    ),
    "S14: an older reading": (
        *OPENED,
        theirs(MEASURED, measured(energy(10, 5))),
        theirs(MEASURED, measured(energy(9, 1))),
        theirs(MEASURED, measured(energy(10, 6))),
    ),
    "S15: the forecast": (*OPENED, R1, complain()),
    "S16: the handshake before the last": (
        *OPENED[:3],
        ours("Handshake", behaviour(), id="h2"),
        theirs(ACKNOWLEDGE, id="u2", names="h1"),
        theirs(ACKNOWLEDGE, id="u3", names="h2"),
    ),
    "S17: either side opens registration": (
        REGISTERED[1],
        REGISTERED[0],
        theirs("Handshake", behaviour(), id="v1"),
        ours("Heartbeat", heartbeat(99)),
        theirs("Register", id="u9"),
        ours("Heartbeat", heartbeat(100)),
    ),
    "S18: some of the blocks, written differently": (
        *OPENED,
        R1,
        complain(
            block(270, 300, 35.50, start_time="2031-03-01T17:30:00+01:00", end_time=at(300)),
        ),
    ),
    "S18: with an offset and a fraction": (
        *OPENED,
        R1,
        complain(block(240, 270, 50.0, end_time="2031-03-01T16:30:00.000Z")),
    ),
    "S19: no id at all": (
        *OPENED,
        ours("Heartbeat", heartbeat(8)),
        ours("Heartbeat", heartbeat(9)),
    ),
    "S19: the same id of either side": (*OPENED, R1, theirs("Heartbeat", heartbeat(9), id="r1")),
}


@pytest.mark.parametrize(("lines", "expected"), FOUND.values(), ids=FOUND)
def test_a_rule_finds_its_mistake(lines: tuple[Line, ...], expected: Found) -> None:
    *before, found = converse(lines)
    assert not any(before)
    [finding] = found
    assert finding.layer == "meaning"
    assert (finding.rule, finding.severity, finding.pointer) == expected[:3]
    assert finding.exchange == expected.exchange
    assert finding.case == expected.case
    assert expected.text in finding.message
    assert finding.hint


# What is said in whole about the order of messages, by the row; and what is advised.
TOLD = {
    "S8: correlated with a forecast never sent": (
        "X-Correlation-ID r7 names no UpdateGroupCapacityForecast that the Capacity Provider sent",
        "correlate with the X-Request-ID of the forecast to be adjusted, or leave X-Correlation-ID "
        "out",
    ),
    "S15: no correlation id": (
        "names no forecast: there is no X-Correlation-ID",
        "send correlationId, the X-Request-ID of the forecast that cannot be complied with",
    ),
    "S15: another message of the Capacity Provider": (
        "X-Correlation-ID h1 names no UpdateGroupCapacityForecast that the Capacity Provider sent: "
        "it belongs to the Capacity Provider's Handshake",
        "correlate with the X-Request-ID of the forecast that cannot be complied with, unchanged",
    ),
    "S16: no correlation id": (
        "names no Handshake: there is no X-Correlation-ID",
        "correlate with the X-Request-ID of the Handshake that is acknowledged",
    ),
    "S16: an acknowledge of nothing": (
        "answers no Handshake: the Flexibility Provider has sent none",
        "send HandshakeAcknowledge only in answer to a Handshake; to ask for settings, send "
        "Handshake",
    ),
    "S17: a handshake before registration": (
        "Handshake comes before registration: neither side has sent Register",
        "register first: each side sends Register, and is then called with the token that it gave",
    ),
    "S17: a heartbeat before a handshake": (
        "Heartbeat comes before a handshake: neither side has sent Handshake",
        "send Handshake first, and wait for its HandshakeAcknowledge",
    ),
    "S17: a forecast before a handshake": (
        "UpdateGroupCapacityForecast comes before a handshake: neither side has sent Handshake",
        "send Handshake first, wait for its HandshakeAcknowledge, and only then send forecasts and "
        "adjustments",
    ),
    "S19: a forecast twice": (
        "the Capacity Provider has used X-Request-ID r1 before, for this message",
        "give every message an X-Request-ID of its own; one that is sent again under the same ID "
        "is processed twice unless the receiver detects duplicates",
    ),
    "same-message: a forecast under another id": (
        "the Capacity Provider has sent the same UpdateGroupCapacityForecast before, under another "
        "X-Request-ID",
        "send it once; to send it again, keep its X-Request-ID, so that it can be recognised",
    ),
    "same-message: a forecast without an id": (
        "the Capacity Provider has sent the same UpdateGroupCapacityForecast before",
        "send it once; to send it again, keep its X-Request-ID, so that it can be recognised",
    ),
}


@pytest.mark.parametrize(("row", "told"), TOLD.items(), ids=TOLD)
def test_what_is_said_about_the_order_of_messages(row: str, told: tuple[str, str]) -> None:
    [finding] = converse(FOUND[row][0])[-1]
    assert (finding.message, finding.hint) == told


def registrations(*turns: tuple[bool, float]) -> list[Line]:
    """Return Registers, each by whether it is sent and its second."""
    return [Line("Register", sent=sent, minute=second / 60) for sent, second in turns]


IN_TURN = [(True, 0), (False, 1), (True, 2), (False, 3)]


@pytest.mark.parametrize("second", [4, 4.5, 60])
def test_who_registers_for_the_third_time_in_turn_is_told_why_that_never_ends(
    second: float,
) -> None:
    *before, [finding] = converse(registrations(*IN_TURN, (True, second)))
    assert not any(before)
    assert finding == Finding(
        "meaning",
        "register-loop",
        "warning",
        "",
        f"the Capacity Provider registers for the third time in {second} s, each time after the "
        "Flexibility Provider's own Register: it may wait for one with an X-Correlation-ID, which "
        "SolarNetwork's has not",
        "after sending Register, take the next Register for the answer, and send no other",
    )


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param([*IN_TURN, (True, 60.5)], id="too slowly"),
        pytest.param([(True, second) for second in range(4)], id="without any answer"),
        pytest.param([(True, 0), (True, 1), (False, 2), (False, 3), (True, 4)], id="not in turn"),
    ],
)
def test_other_registers_are_no_loop(turns: list[tuple[bool, float]]) -> None:
    assert not any(converse(registrations(*turns)))


def test_before_registration_an_acknowledge_is_only_told_to_come_later() -> None:
    lines = (REGISTERED[0], ours("Handshake", behaviour()), theirs(ACKNOWLEDGE, names="h7"))
    *_, found = converse(lines)
    assert [finding.rule for finding in found] == ["S17"]


@pytest.mark.parametrize("lines", NOT_FOUND.values(), ids=NOT_FOUND)
def test_a_rule_leaves_alone_what_is_right(lines: tuple[Line, ...]) -> None:
    assert not any(converse(lines))


@pytest.mark.parametrize(("lines", "expected"), FOUND.values(), ids=FOUND)
def test_the_other_side_finds_the_same(lines: tuple[Line, ...], expected: Found) -> None:
    other = Conversation("flexibility_provider", peer="capacity_provider")
    assert converse(by_the_other(lines), other) == converse(lines)


def test_s9_is_told_of_the_first_uncovered_heartbeat_alone() -> None:
    heartbeats = [ours("Heartbeat", heartbeat(minute)) for minute in (58, 60, 61, 62)]
    found = converse([*OPENED, FALLBACK, *heartbeats])[-4:]
    assert [len(findings) for findings in found] == [0, 1, 0, 0]


def test_s19_means_the_first_of_many() -> None:
    found = converse([*OPENED, R1, R1, R1])[-2:]
    assert [[finding.exchange for finding in findings] for findings in found] == [[5], [5]]


def test_every_case_has_its_rows() -> None:
    cases = {expected.case for _, expected in FOUND.values()}
    assert cases == {None, "X8", "X9", "X10", "X11", "X12"}


def test_every_rule_with_history_has_its_rows() -> None:
    rules = {f"S{number}" for number in (8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19)}
    for table in (FOUND, NOT_FOUND):
        assert {name.partition(":")[0] for name in table} == {*rules, "same-message"}
