"""What an OSCP 2.0 message is: its JSON Schema documents, and one function that judges by them.

`judge` says everything that is wrong with a message, `read` reads JSON as strictly as the service
does, `schema` and `validator` are for programs that would rather use `jsonschema` themselves.
"""

from __future__ import annotations

from oscp_schemas.catalogue import ACTIONS, UnknownAction, schema
from oscp_schemas.date_time import Fidelity
from oscp_schemas.json_faults import JsonError
from oscp_schemas.json_text import Document, read
from oscp_schemas.show import escape_pointer
from oscp_schemas.validate import Violation, judge, validator

__all__ = [
    "ACTIONS",
    "Document",
    "Fidelity",
    "JsonError",
    "UnknownAction",
    "Violation",
    "escape_pointer",
    "judge",
    "read",
    "schema",
    "validator",
]
