"""How the properties of this folder are tried."""

from __future__ import annotations

from hypothesis import settings

# The first example of a run compiles the schemas, which says nothing about the rest.
settings.register_profile("schemas", deadline=None)
settings.load_profile("schemas")
