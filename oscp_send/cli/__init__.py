"""The command `oscp-send`."""

from oscp_send.cli.main import main

__all__ = ["main"]
