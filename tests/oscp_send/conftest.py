"""How the properties of this folder are tried."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The first example of a run compiles the schemas, and the machine may be busy: neither says
# anything about the rest.
settings.register_profile("oscp_send", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("oscp_send")
