"""The command `oscp-send`."""

from __future__ import annotations

from oscp_send.cli.main import main

__all__ = ["main"]
