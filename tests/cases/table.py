"""The 195 judged payloads of oscp20.md §9.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cases.adjust_texts import TEXTS
from tests.cases.adjust_values import VALUES
from tests.cases.other_messages import OTHERS

if TYPE_CHECKING:
    from tests.cases.case import Case

CASES: tuple[Case, ...] = (*VALUES, *TEXTS, *OTHERS)
