"""The report of `check` for a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TextIO

from oscp_send.cli.report import fails

if TYPE_CHECKING:
    from oscp_send.cli.examination import Examined, Located
    from oscp_send.cli.sources import SourceProblem
    from oscp_send.fidelity import Fidelity

__all__ = ["JsonReport"]


class JsonReport:
    """Writes one JSON object at the end.

    Args:
        stream: Any text stream.
        fidelity: The side that was followed.
        is_strict: Whether warnings fail.
    """

    def __init__(self, stream: TextIO, fidelity: Fidelity, *, is_strict: bool = False) -> None:
        self._stream = stream
        self._fidelity = fidelity
        self._is_strict = is_strict
        self._files: list[dict[str, Any]] = []

    def tell(self, examined: Examined) -> None:
        """Keeps a file."""
        passed = not any(fails(each.kind, is_strict=self._is_strict) for each in examined.findings)
        self._files.append(
            {
                "file": examined.source.name,
                "is": "request" if examined.is_request else "message",
                "action": examined.action,
                "passed": passed and examined.stage is None,
                "accepted": examined.stage is None,
                "status": examined.status,
                "stage": examined.stage,
                "error": examined.error,
                "parts": examined.parts,
                "findings": [_finding(each) for each in examined.findings],
            }
        )

    def tell_problem(self, problem: SourceProblem) -> None:
        """Keeps a file that could not be judged."""
        self._files.append({"file": problem.name, "passed": False, "problem": problem.problem})

    def finish(self) -> None:
        """Writes everything."""
        kinds = [each["kind"] for file in self._files for each in file.get("findings", ())]
        report = {
            "fidelity": self._fidelity,
            "strict": self._is_strict,
            "passed": all(file["passed"] for file in self._files),
            "refusals": kinds.count("refusal"),
            "warnings": kinds.count("warning"),
            "notes": kinds.count("note"),
            "files": self._files,
        }
        self._stream.write(json.dumps(report, indent=2) + "\n")


def _finding(located: Located) -> dict[str, Any]:
    return {
        "kind": located.kind,
        "line": located.line,
        "column": located.column,
        "inside": "message" if located.is_inside else None,
        **located.finding.to_dict(),
    }
