"""Rows of objects as CSV.

That the service writes CSV is known, its columns are not: here they are the keys in the order of
their first appearance, and what is no plain value stands in its cell as JSON (inferred).
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["csv_text"]


def csv_text(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Answers with a line of names and a line for each row; with nothing where there is no row."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return b""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return written.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
