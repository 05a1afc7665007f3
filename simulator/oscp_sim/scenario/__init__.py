"""Scenario files: what is done in a rehearsal, what is expected, and the report of it."""
