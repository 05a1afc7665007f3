"""Where SolarUser is and who asks, as the command line says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oscp_send.client import SolarUserClient
    from oscp_send.settings import Settings

__all__ = ["Connection"]

#: What the command line offers where a program would give an argument.
_OPTIONS = {"url": "--url", "token": "--token", "secret": "--secret-file"}


@dataclass(frozen=True, slots=True)
class Connection:
    """What the command line says; None where it is silent.

    Attributes:
        url: The base URL of SolarUser.
        token: The token's id.
        secret_file: A file that holds the token's secret.
        config: A TOML file.
    """

    url: str | None = None
    token: str | None = None
    secret_file: str | None = None
    config: str | None = None

    def settings(self) -> Settings:
        """Answers with the settings: these, then the environment, then the TOML file.

        Raises:
            SettingsError: One is missing or unusable.
        """
        from oscp_send.errors import SettingsError
        from oscp_send.settings import load_settings

        secret = None if self.secret_file is None else _read_secret(self.secret_file)
        try:
            return load_settings(url=self.url, token=self.token, secret=secret, file=self.config)
        except SettingsError as error:
            raise SettingsError(_for_command_line(str(error))) from None

    def client(self, settings: Settings) -> SolarUserClient:
        """Answers with a client of these settings."""
        from oscp_send.client import SolarUserClient

        return SolarUserClient.from_settings(settings)


def _read_secret(named: str) -> str:
    from oscp_send.errors import SettingsError

    try:
        text = Path(named).read_bytes().decode()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problem = f"it cannot be read: {reason[:1].lower()}{reason[1:]}"
    except ValueError:
        problem = "it is not text in UTF-8"
    else:
        # The line end that editors and echo add is no part of a secret.
        return text.removesuffix("\n").removesuffix("\r")
    raise SettingsError(f"--secret-file {named}: {problem}")


def _for_command_line(problem: str) -> str:
    for key, option in _OPTIONS.items():
        said = f"no {key}: give it "
        problem = problem.replace(f"{said}as an argument", f"{said}with {option}")
    return problem
