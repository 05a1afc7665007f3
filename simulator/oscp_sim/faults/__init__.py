"""What shall go wrong in a rehearsal: where, what, how often; the same words in every door.

The rules are read (`model`), strike and are counted (`strikes`), change requests and answers
(`answers`), and have their effect on a socket or in a client library (`wire`).
"""

from __future__ import annotations

from oscp_sim.faults.model import (
    Rule,
    faults_schema,
    impossible_at_a_port,
    load_faults,
    rules_of,
)
from oscp_sim.faults.strikes import Armed, Faults

__all__ = [
    "Armed",
    "Faults",
    "Rule",
    "faults_schema",
    "impossible_at_a_port",
    "load_faults",
    "rules_of",
]
