"""`oscp-send`; each command is imported when it is called."""

from __future__ import annotations

import io
import sys

import click

from oscp_send.cli.group import SendGroup

__all__ = ["main"]


@click.group(
    cls=SendGroup,
    lazy_commands={
        "check": (
            "oscp_send.cli.check:check",
            "Say what SolarUser would do with messages, and how to mend them.",
        ),
        "send": (
            "oscp_send.cli.send:send",
            "Send a message and follow it to its end.",
        ),
        "view": (
            "oscp_send.cli.view:view",
            "Show an instruction as it stands now.",
        ),
        "list": (
            "oscp_send.cli.list:list_instructions",
            "List the instructions of nodes.",
        ),
        "chunks": (
            "oscp_send.cli.chunks:chunks",
            "Show into which parts SolarUser will cut a message.",
        ),
        "curl": (
            "oscp_send.cli.curl:curl",
            "Print the signed request as a curl command line.",
        ),
        "schema": (
            "oscp_send.cli.schema:schema",
            "Print the JSON Schema of an OSCP message.",
        ),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="oscp-rehearsal", prog_name="oscp-send")
def main() -> None:
    """Check, sign and send OSCP 2.0 messages through SolarNetwork's SolarUser.

    Exits with 0 when all is good, 1 on a refusal or a finding, 2 on wrong usage or a file that
    cannot be read, 3 when SolarUser could not be reached or its answer was not understood.
    """
    for stream in (sys.stdout, sys.stderr):
        # What a message holds may not fit the encoding of a terminal; that is no reason to stop.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
