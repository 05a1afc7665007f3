"""Where to send and as whom: from arguments, the environment, and a TOML file, in this order."""

from __future__ import annotations

import hmac
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from oscp_schemas.show import nearest
from oscp_send.errors import SettingsError

FILE_NAME: Final = "oscp-send.toml"
URL_VARIABLE: Final = "OSCP_SEND_URL"
TOKEN_VARIABLE: Final = "OSCP_SEND_TOKEN"  # noqa: S105 - a variable's name
SECRET_VARIABLE: Final = "OSCP_SEND_SECRET"  # noqa: S105 - a variable's name

_VARIABLES: Final = {"url": URL_VARIABLE, "token": TOKEN_VARIABLE, "secret": SECRET_VARIABLE}
_KEYS: Final = ("url", "token", "secret", "node_id", "co_id", "cg_identifier")
_CONTEXT: Final = "/solaruser"
_TOKEN: Final = re.compile(r"[!-+\--~]+")
_LARGEST_PORT: Final = 65535
_SHOWN: Final = "********"


class Secret:
    """Keeps a secret out of every repr, log line, error and format.

    Only `reveal` gives it away. Two secrets are equal when their texts are.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str | Secret) -> None:
        self._text: Final[str] = text.reveal() if isinstance(text, Secret) else text

    def reveal(self) -> str:
        """Return the secret itself, for signing."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_SHOWN!r})"

    def __str__(self) -> str:
        return _SHOWN

    def __format__(self, spec: str) -> str:
        return format(_SHOWN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._text.encode("utf-8", "surrogatepass"),
            other._text.encode("utf-8", "surrogatepass"),
        )

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied to where it could be read."""
        raise TypeError("a Secret is not pickled: pass on where it is kept instead")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to send and as whom, and the node, Optimizer and Group to use if none is given.

    Attributes:
        url: The base URL of SolarUser: scheme, host, and port where it is not the default.
        token: The id of a SolarNetwork security token of type User.
        secret: Its secret; shown nowhere.
    """

    url: str
    token: str
    secret: Secret
    node_id: int | None = None
    co_id: str | None = None
    cg_identifier: str | None = None


def load_settings(
    *,
    url: str | None = None,
    token: str | None = None,
    secret: str | Secret | None = None,
    node_id: int | None = None,
    co_id: int | str | None = None,
    cg_identifier: str | None = None,
    file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings: an argument wins over the environment, the environment over the file.

    The environment has `OSCP_SEND_URL`, `OSCP_SEND_TOKEN` and `OSCP_SEND_SECRET`, where an empty
    one counts as not set; the file may have each argument under its own name. The file must exist
    if it is given; else it is `oscp-send.toml` in the working directory, if there is one.

    Raises:
        SettingsError: A setting is missing or unusable, or the file is; no secret is shown.
    """
    variables = os.environ if environ is None else environ
    given = {
        "url": url,
        "token": token,
        "secret": secret,
        "node_id": node_id,
        "co_id": co_id if co_id is None else str(co_id),
        "cg_identifier": cg_identifier,
    }
    named = {key: variables.get(name) or None for key, name in _VARIABLES.items()}
    found: dict[str, Any] = _read_file(file)
    for source in (named, given):
        found.update({key: value for key, value in source.items() if value is not None})
    for key in _VARIABLES:
        if key not in found:
            raise SettingsError(
                f"no {key}: give it as an argument, as {_VARIABLES[key]}, or as {key} in "
                f"{file or FILE_NAME}",
                missing=key,
            )
    return Settings(
        url=base_url(found["url"]),
        token=checked_token(found["token"]),
        secret=checked_secret(found["secret"]),
        node_id=found.get("node_id"),
        co_id=found.get("co_id"),
        cg_identifier=found.get("cg_identifier"),
    )


def base_url(url: str) -> str:
    """Return the base URL without a trailing slash or `/solaruser`.

    Raises:
        SettingsError: It is not an http or https URL of a host, or holds more than that.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise SettingsError(
            "url: it cannot be read; expected https://host or http://host:port"
        ) from None
    # Not shown, since a mistaken URL may hold credentials.
    if parts.username is not None or parts.password is not None:
        raise SettingsError("url: leave out the user name and password; token and secret sign")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f"url: {url!r} is not of the form https://host or http://host:port")
    path = parts.path.rstrip("/").removesuffix(_CONTEXT)
    if path or parts.query or parts.fragment:
        raise SettingsError(
            f"url: {url!r} holds more than scheme, host and port; "
            f"{_CONTEXT}/api/v1/sec/instr is added to it"
        )
    if port is not None and not 0 < port <= _LARGEST_PORT:
        raise SettingsError(f"url: {url!r} has an impossible port")
    if not all("!" <= letter <= "~" for letter in parts.netloc):
        raise SettingsError("url: its host is not ASCII; write an international name as xn--...")
    return f"{parts.scheme}://{parts.netloc}"


def checked_token(token: str) -> str:
    """Return a token id that can be sent in a header.

    Raises:
        SettingsError: It has characters that no token id has; it is not shown, in case it is the
            secret.
    """
    if not _TOKEN.fullmatch(token):
        raise SettingsError(
            "token: a token id is visible ASCII text without commas or blanks, such as "
            "3fGh5k_7Yq0aB2cD4eF6; is it perhaps the secret?"
        )
    return token


def checked_secret(secret: str | Secret) -> Secret:
    """Return a token's secret, wrapped so that it is not shown.

    Raises:
        SettingsError: It is empty, has white space around it, or is not text.
    """
    text = secret.reveal() if isinstance(secret, Secret) else secret
    if not text or text != text.strip():
        raise SettingsError("secret: it is empty, or begins or ends with a blank or a line break")
    try:
        text.encode()
    except UnicodeEncodeError:
        # From None: the error behind it quotes the secret.
        raise SettingsError("secret: it is not text in UTF-8") from None
    return Secret(text)


def _read_file(file: str | Path | None) -> dict[str, Any]:
    path = Path(file if file is not None else FILE_NAME)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        if file is None:
            return {}
        raise SettingsError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SettingsError(f"{path}: it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: it is not UTF-8 from byte {error.start} on") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Without its cause: that may quote the line in which the secret is.
        raise SettingsError(_placed(path, str(error))) from None
    except ValueError:  # Python reads no number of more than 4300 digits
        raise SettingsError(f"{path}: a number in it is too long") from None
    except RecursionError:
        raise SettingsError(f"{path}: its lists or tables are nested too deep") from None
    return _checked_file(path, values)


def _placed(path: Path, problem: str) -> str:
    match = re.search(r"(.*) \(at line (\d+), column (\d+)\)", problem, re.DOTALL)
    if match is None:
        return f"{path}: it is not TOML: {problem}"
    return f"{path}:{match[2]}:{match[3]}: it is not TOML: {match[1]}"


def _checked_file(path: Path, values: Mapping[str, object]) -> dict[str, Any]:
    for key, value in values.items():
        if key not in _KEYS:
            _unknown(path, key)
        if key == "node_id":
            if isinstance(value, bool) or not isinstance(value, int):
                raise SettingsError(f"{path}: node_id must be a whole number, without quotes")
        elif key == "co_id" and isinstance(value, int) and not isinstance(value, bool):
            continue
        elif not isinstance(value, str):
            raise SettingsError(f"{path}: {key} must be a text in quotes")
    return {key: str(value) if key == "co_id" else value for key, value in values.items()}


def _unknown(path: Path, key: str) -> NoReturn:
    near = nearest(key.lower().replace("-", "_"), _KEYS)
    meant = f"did you mean {near}?" if near else f"known ones are {', '.join(_KEYS)}"
    raise SettingsError(f"{path}: unknown key {key!r}; {meant}")
