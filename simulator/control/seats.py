"""Looking into the parties that the simulator plays, and telling them what to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from simulator.addresses import NobodyThere
from simulator.control.answers import BadRequestBody, json_answer, json_body, refusal
from simulator.seat_commands import COMMANDS, carry_out, check_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Response

    from simulator.seat_commands import Parties

__all__ = ["SeatRoutes"]


class SeatRoutes:
    """The endpoints of all Capacity Providers, or of all Capacity Optimizers.

    Args:
        parties: Who knows them.
        party: Which of the two.
    """

    def __init__(self, parties: Parties, party: str) -> None:
        self._parties = parties
        self._is_provider = party == "capacity_provider"
        self._commands = COMMANDS[party]

    def show(self, id: str) -> Response:  # noqa: A002 - as the path calls it
        """Answers with what one of them knows."""
        try:
            return json_answer(self._seat(id).to_dict())
        except LookupError as error:
            return refusal(404, _text(error))
        except ValueError as error:
            return refusal(400, str(error))

    def carry_out(self, command: str, id: str) -> Response:  # noqa: A002 - as the path calls it
        """Has one of them send a message, and answers with what came of it."""
        try:
            seat = self._seat(id)
            fields = check_fields(self._commands[command], json_body())
            _refuse_paths(fields)
            return json_answer(carry_out(seat, command, fields).to_dict())
        except NobodyThere as error:
            return refusal(409, _text(error))
        except LookupError as error:
            return refusal(404, _text(error))
        except ValueError as error:
            return refusal(400, str(error))

    def _seat(self, number: str) -> Any:  # noqa: ANN401 - a seat of either kind
        unknown = sorted(request.args.keys() - {"user"})
        if unknown:
            raise BadRequestBody(f'unknown parameter "{unknown[0]}"; there is user')
        user = request.args.get("user")
        if user is not None and not _is_number(user):
            raise BadRequestBody(f'user is the id of a user, not "{user}"')
        if not _is_number(number):
            message = f'an id is a whole number, not "{number}"'
            raise LookupError(message)
        find = self._parties.provider if self._is_provider else self._parties.optimizer
        return find(int(number), None if user is None else int(user))


def _refuse_paths(fields: Mapping[str, Any]) -> None:
    """Keeps whoever may only control the simulator from reading the files of its machine."""
    table = fields.get("csv")
    if isinstance(table, str) and "\n" not in table and "\r" not in table:
        raise BadRequestBody("csv: give the rows of the table; here, no file is read")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 19  # noqa: PLR2004 - of 64 bits


def _text(error: LookupError) -> str:
    # A LookupError of Python's own would show its text in quotes.
    return str(error.args[0]) if error.args else str(error)
