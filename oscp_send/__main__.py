"""Run `oscp-send`: `python -m oscp_send`."""

from __future__ import annotations

from oscp_send.cli.main import main

main(prog_name="oscp-send")
