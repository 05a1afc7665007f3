"""Would SolarUser queue a message: the checks of its queue hook that concern the message alone.

The order is the service's (SolarUser dossier §3.1, checks 10 to 12), and so are the texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oscp_send.solarnetwork import hook_texts, jackson
from oscp_send.solarnetwork.decoding import DecodeError, decode
from oscp_send.solarnetwork.networknt import schema_error
from schemas import Document, JsonError, Violation, judge, read
from schemas.catalogue import BASE_URI

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from oscp_send.fidelity import Behaviour
    from oscp_send.findings import Stage

__all__ = ["INSTRUCTION_ACTIONS", "Verdict", "verdict"]

INSTRUCTION_ACTIONS: tuple[str, ...] = (
    "AdjustGroupCapacityForecast",
    "GroupCapacityComplianceError",
    "Handshake",
    "UpdateAssetMeasurement",
    "UpdateGroupCapacityForecast",
    "UpdateGroupMeasurements",
)

_LONG_NUMBER = re.compile(rf"[-+.0-9eE]{{{jackson.MAXIMUM_NUMBER_LENGTH + 1}}}")
# The text of the exception is not specified; only that it is this one (inferred).
_NULL_MESSAGE = 'Cannot invoke "tools.jackson.databind.JsonNode.getNodeType()": node is null'


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the queue hook says of a message.

    Attributes:
        stage: Where the message is refused; None when it is taken.
        error: The text of the refusal.
        document: The message as read; None where it is no JSON.
        violations: What the schema refuses, at stage `schema`.
        cause: The exception behind a refusal at stage `json` or `decode`.
        decoded: What SolarNetwork keeps of a message that it takes.
    """

    stage: Stage | None = None
    error: str | None = None
    document: Document | None = None
    violations: tuple[Violation, ...] = ()
    cause: JsonError | DecodeError | None = None
    decoded: Mapping[str, Any] | None = None


def verdict(action: str, text: str, behaviour: Behaviour) -> Verdict:
    """Answers with what SolarUser would make of `msg` for an action.

    Args:
        action: The `action` parameter, known or not.
        text: The whole `msg` parameter, its parts joined.
        behaviour: Which side of each difference to follow.
    """
    if action not in INSTRUCTION_ACTIONS:
        return Verdict("action", hook_texts.unsupported_action(action), _readable(text))
    if not text:
        return Verdict("document", hook_texts.missing_message(action))
    if not text.strip():
        return Verdict("document", hook_texts.not_an_object(action))
    try:
        document = read(text)
    except JsonError as error:
        message = jackson.parser_message(error)
        return Verdict("json", _json_error(action, message, behaviour), cause=error)
    return _limits(action, document, behaviour) or _judged(action, document, behaviour)


def _limits(action: str, document: Document, behaviour: Behaviour) -> Verdict | None:
    """Refuses what the service's parser gives up on (OSCP dossier §9.1); the scan is slow."""
    text = document.text
    if text.count("{") + text.count("[") > jackson.MAXIMUM_DEPTH:
        depth = document.depth
        if depth > jackson.MAXIMUM_DEPTH:
            message = jackson.too_deep(jackson.MAXIMUM_DEPTH + 1)
            return Verdict("json", _json_error(action, message, behaviour), document)
    if _LONG_NUMBER.search(text) and document.longest_number > jackson.MAXIMUM_NUMBER_LENGTH:
        message = jackson.too_long_a_number(document.longest_number)
        return Verdict("json", _json_error(action, message, behaviour), document)
    return None


def _judged(action: str, document: Document, behaviour: Behaviour) -> Verdict:
    if document.value is None:
        return Verdict("document", _NULL_MESSAGE, document)
    if not isinstance(document.value, dict):
        return Verdict("document", hook_texts.not_an_object(action), document)
    if action == "UpdateAssetMeasurement" and behaviour.follows_service("asset_measurements"):
        # The file is update-asset-measurements.json; the service looks for the singular.
        error = f"java.io.FileNotFoundException: {BASE_URI}update-asset-measurement.json"
        return Verdict("schema-lookup", error, document)
    violations = judge(action, document, fidelity=behaviour.side("date_times"))
    if violations:
        return Verdict("schema", schema_error(action, violations), document, tuple(violations))
    try:
        decoded = decode(action, document.value, behaviour)
    except DecodeError as error:
        return Verdict("decode", error.text + jackson.SOURCE, document, cause=error)
    return Verdict(document=document, decoded=decoded)


def _json_error(action: str, message: str, behaviour: Behaviour) -> str:
    if behaviour.follows_service("malformed_message"):
        return message + jackson.SOURCE
    return hook_texts.invalid_json(action, message)


def _readable(text: str) -> Document | None:
    try:
        return read(text)
    except JsonError:
        return None
