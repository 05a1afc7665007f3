"""A click group that imports a command only when it is called, so that `--help` is quick."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A group of commands that are named by where they are.

    Args:
        lazy_commands: Name to a pair: `package.module:function`, and the line of help for the list
            of commands, which is shown without importing anything.
        **settings: Those of `click.Group`.
    """

    def __init__(
        self,
        *,
        lazy_commands: Mapping[str, tuple[str, str]],
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**settings)
        self._lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Answers with the names in the order in which they were given."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Imports a command and answers with it, or with None where there is none."""
        if cmd_name not in self._lazy_commands:
            return None
        module, _, name = self._lazy_commands[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._lazy_commands.items()])
