"""The command `oscp-send`."""

from __future__ import annotations

import os

try:
    from oscp_send.cli.main import main
except KeyboardInterrupt:
    # Nothing has begun yet: end as other tools do.
    os._exit(130)

__all__ = ["main"]
