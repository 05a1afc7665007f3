"""The command `oscp-sim`."""

from __future__ import annotations

try:
    from oscp_sim.cli.main import main
except KeyboardInterrupt:
    # Nothing has begun yet: end as other tools do; what imports this can still tidy up.
    raise SystemExit(130) from None

__all__ = ["main"]
