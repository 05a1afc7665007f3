"""What an OSCP 2.0 message is: its JSON Schema documents, and one function that judges by them."""

from __future__ import annotations

from schemas.catalogue import ACTIONS, UnknownAction, schema
from schemas.date_time import Fidelity
from schemas.json_document import Document, read
from schemas.json_error import JsonError
from schemas.judgement import judge
from schemas.pointer import escape_pointer
from schemas.violation import Violation

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
]
