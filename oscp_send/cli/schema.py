"""`oscp-send schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from typing import Any

__all__ = ["bundled", "schema"]


@click.command()
@click.argument("action")
@click.option(
    "--bundle",
    is_flag=True,
    help="Put all that it refers to inside it, so that it stands alone.",
)
def schema(action: str, bundle: bool) -> None:
    """Print the JSON Schema (draft-07) of an OSCP message.

    ACTION is one of AdjustGroupCapacityForecast, GroupCapacityComplianceError, Handshake,
    HandshakeAcknowledge, Heartbeat, Register, UpdateAssetMeasurement, UpdateGroupCapacityForecast
    and UpdateGroupMeasurements.
    """
    import json

    from schemas import UnknownAction
    from schemas import schema as schema_of

    try:
        document = schema_of(action)
    except UnknownAction as error:
        raise click.BadParameter(str(error), param_hint="ACTION") from None
    click.echo(json.dumps(bundled(document) if bundle else document, indent=2))


def bundled(document: dict[str, Any]) -> dict[str, Any]:
    """Answers with a schema that holds, below `definitions`, every document that it refers to."""
    from schemas.catalogue import document as read_document

    definitions: dict[str, Any] = {}

    def resolved(value: object) -> object:
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: define(item) if key == "$ref" else resolved(item) for key, item in value.items()
        }

    def define(name: str) -> str:
        key = name.removesuffix(".json")
        if key not in definitions:
            definitions[key] = {}  # a document may refer to itself
            content = read_document(name)
            # Its own address would make its references relative to itself.
            for keyword in ("$schema", "$id"):
                content.pop(keyword, None)
            definitions[key] = resolved(content)
        return f"#/definitions/{key}"

    whole = {
        key: value if key == "examples" else resolved(value) for key, value in document.items()
    }
    return {**whole, "definitions": dict(sorted(definitions.items()))} if definitions else whole
