"""Keep the house in order: `python -m tests.house`, a part of `make lint`.

Each package has a budget of modules, and each module on the simulator's first floor has a reason to
stand there. Who wants another one says here why, or finds the room that the subject belongs to. The
tests that `make mutate` tries are there, too.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from tests.mutate import CORE

_ROOT = Path(__file__).parent.parent

#: The most modules of each package, `__init__` included, packages within counted by themselves.
BUDGET = {
    "oscp_send": 24,
    "oscp_send/cli": 11,
    "oscp_send/solarnetwork": 6,
    "oscp_send/testing": 11,
    "schemas/oscp_schemas": 9,
    "simulator/oscp_sim": 34,
    "simulator/oscp_sim/cli": 10,
    "simulator/oscp_sim/conversation": 6,
    "simulator/oscp_sim/faults": 6,
    "simulator/oscp_sim/flexibility_provider": 16,
    "simulator/oscp_sim/inspector": 2,
    "simulator/oscp_sim/intercept": 5,
    "simulator/oscp_sim/recording": 5,
    "simulator/oscp_sim/report": 12,
    "simulator/oscp_sim/scenario": 20,
    "simulator/oscp_sim/solaruser": 14,
    "simulator/oscp_sim/solaruser/configuration": 3,
    "simulator/oscp_sim/system": 17,
    "simulator/oscp_sim/world": 3,
}
#: All of them together, and how many lines they may have. 31,000 held the services as they had
#: been read; what they were measured to do besides, and what keeps a server steady, takes 5,000
#: more; the instrument around them (faults, recordings, reports, verification) 11,000; what
#: stands in anybody's test suite (pytest, interception, TLS, strategies, properties, the
#: asynchronous sender) 8,500; seeing it (the page, lines in a terminal, spreadsheets) 1,300; and
#: telling a lost message from its equals, what may be slow when it is begun, letting who makes more
#: than is done wait for it, and judging only what is read, 400.
MOST_MODULES, MOST_LINES = 213, 57_400

#: What each module on the simulator's first floor is there for.
FIRST_FLOOR = {
    "__init__": "the public names",
    "__main__": "python -m oscp_sim",
    "access_tokens": "OAuth tokens, and the tokens that parties call with",
    "addresses": "where the parties are",
    "authority": "certificates of a session",
    "clock": "what time it is, and what is due",
    "control": "/_sim/",
    "dataclass_values": "dataclasses, read from a file by their type hints",
    "entry": "one thing that happened",
    "http": "the contract: Request, Response, Party",
    "instructions": "the database that SolarUser and the Flexibility Provider share",
    "journal": "everything that happened",
    "keep": "the state file",
    "matching": "expected against got, field by field",
    "openapi": "the description of all routes",
    "outgoing": "requests from one party to another",
    "production": "production's hosts, answered from outside",
    "program": "a program of the reader's own, run to its end",
    "pytest_marker": "what @pytest.mark.oscp(...) says of a test",
    "pytest_plugin": "hooks and fixtures of pytest, which load nothing until they are used",
    "pytest_session": "what the fixtures do",
    "redaction": "what nobody is to see",
    "saved_journal": "the journal as JSON Lines",
    "serve": "a simulator on a port until a signal ends it",
    "server": "sockets to requests",
    "settling": "what is still on its way, and waiting for it",
    "shared": "what all parties are given",
    "simulator": "puts the parties together",
    "token_endpoint": "/oauth/token",
    "user_events": "what the services tell each user",
    "verify": "how often, in which order, in which time, and nothing else",
    "web": "the Flask application in front of the parties",
    "yaml_source": "YAML with positions",
    "yaml_violations": "what a schema says of a YAML document, for people",
}


def problems() -> list[str]:
    """Return what is out of order, a line each."""
    found = []
    modules = [path for package in BUDGET for path in (_ROOT / package).glob("*.py")]
    for package, most in BUDGET.items():
        count = len(list((_ROOT / package).glob("*.py")))
        if count > most:
            found.append(f"{package} has {count} modules, {most} are its budget")
    folders = {
        path.parent
        for top in ("oscp_send", "schemas", "simulator")
        for path in (_ROOT / top).rglob("*.py")
    }
    found += [
        f"{folder.relative_to(_ROOT)} has no budget"
        for folder in sorted(folders - {_ROOT / package for package in BUDGET})
    ]
    floor = {path.stem for path in (_ROOT / "simulator/oscp_sim").glob("*.py")}
    found += [f"oscp_sim.{name} stands here without a reason" for name in floor - set(FIRST_FLOOR)]
    found += [f"oscp_sim.{name} is gone: take it out" for name in set(FIRST_FLOOR) - floor]
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules]
    sys.stdout.write(
        f"{len(lines)} modules, {sum(lines)} lines, median {statistics.median(lines):.0f}\n"
    )
    if len(lines) > MOST_MODULES or sum(lines) > MOST_LINES:
        found.append(f"more than {MOST_MODULES} modules or {MOST_LINES} lines")
    return sorted([*found, *_gone()])


def _gone() -> list[str]:
    """Return which tests `make mutate` would look for in vain: it would try nothing then."""
    found = []
    for test in " ".join(CORE.values()).split():
        file, _, name = test.partition("::")
        path = _ROOT / "tests" / file
        if not path.is_file() or (name and f"def {name}(" not in path.read_text("utf-8")):
            found.append(f"tests/mutate.py names {test}, which is not there")
    return found


if __name__ == "__main__":
    told = problems()
    sys.stdout.writelines(f"{line}\n" for line in told)
    sys.exit(1 if told else 0)
