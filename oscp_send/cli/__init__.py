"""The command `oscp-send`."""
