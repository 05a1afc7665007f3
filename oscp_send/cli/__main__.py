"""`python -m oscp_send.cli` is `oscp-send`."""

from oscp_send.cli.main import main

main(prog_name="oscp-send")
