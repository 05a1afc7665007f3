"""Take secrets out of what is about to be remembered; the only place that does."""

import re
from collections.abc import Iterable, Iterator

__all__ = ["Concealed", "redact_headers", "redact_text", "writable"]

_REDACTED = "[redacted]"
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
# What an SNWS2 header says openly (SolarUser, SNWS2 header): who asks, and what was signed.
_OPEN_COMPONENTS = frozenset({"Credential", "SignedHeaders"})

# The names of the JSON members whose values are secrets: a token that was just made, the client
# secret of OAuth (SolarUser dossier §8.1), what OAuth grants (RFC 6749 §5.1), and the headers that
# a provider is to be called with.
_SECRET_MEMBERS = (
    "token",
    "oauth-client-secret",
    "client_secret",
    "access_token",
    "refresh_token",
    "id_token",
    *sorted(_CREDENTIAL_HEADERS),
)
_TOKEN = re.compile(r"[A-Za-z0-9+/]{64}")


def _spelling(character: str) -> str:
    """Give a pattern of all the ways in which JSON can spell a character, in either case."""
    ways = {re.escape(each) for each in (character, character.upper())}
    codes = {f"{ord(each):04x}" for each in (character, character.upper())}
    return f"(?:{'|'.join(sorted(ways))}|\\\\u(?i:{'|'.join(sorted(codes))}))"


_NAMES = "|".join("".join(map(_spelling, name)) for name in _SECRET_MEMBERS)
# The text need not be JSON, and need not be whole: from a value that is opened, all is taken.
_MEMBER = re.compile(
    rf"""("(?:{_NAMES})"\s*:\s*)"""
    r"""(?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[{].*\Z|[^\s",\]}]+)""",
    re.DOTALL,
)
# The same within a cell of a CSV table, where each quote is doubled, and as an element of XML.
_CELL = re.compile(
    rf"""(""(?:{_NAMES})"":)(?:""(?:[^"\\]|\\""|\\.)*""|[\[{{].*\Z|[^",\]}}]+)""", re.DOTALL
)
_ELEMENT = re.compile(rf"<({'|'.join(_SECRET_MEMBERS)})>", re.IGNORECASE)
_FIELD = re.compile(r"(oauth-client-secret=|client_secret=)[^&\s]*")
_USER_INFO = re.compile(r"(:\\?/\\?/)[^/?#\s\"'@:]*:[^/?#\s\"'@]*@")


def redact_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers with each credential replaced by `[redacted]`.

    Of an SNWS2 authorization `Credential` and `SignedHeaders` stay; of any other, the scheme.
    """
    return tuple(
        pair
        if pair[0].isascii() and pair[1].isascii() and pair[0].lower() not in _CREDENTIAL_HEADERS
        else _redacted(*pair)
        for pair in headers
    )


def redact_text(text: str) -> str:
    """Return a body or an address without the secrets that can be told by the names they bear.

    These are the values of certain members of a JSON text, whole or broken, also where they are
    told as CSV or XML, of a form's client secret, and a user name and password in a URL.
    """
    if _may_hold_secrets(text.lower()):
        text = _MEMBER.sub(rf'\1"{_REDACTED}"', text)
        text = _CELL.sub(rf'\1""{_REDACTED}""', text)
        text = _FIELD.sub(rf"\1{_REDACTED}", text)
        text = "".join(_without_elements(text))
    return _USER_INFO.sub(rf"\1{_REDACTED}@", text) if "@" in text else text


def _may_hold_secrets(text: str) -> bool:
    """Tell at a glance, for most texts hold none, and each exchange is looked at."""
    return "\\u" in text or any(name in text for name in _SECRET_MEMBERS)


def _without_elements(text: str) -> Iterator[str]:
    at = 0
    while found := _ELEMENT.search(text, at):
        yield text[at : found.end()] + _REDACTED
        at = text.find(f"</{found[1]}>", found.end())
        if at < 0:
            return
    yield text[at:]


class Concealed:
    """Tokens that no text may show, in whichever form it is written; any thread may add one."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()

    def add(self, token: str) -> None:
        """Conceal a token of 64 characters of Base64 from now on."""
        self._tokens.add(token)

    def redact(self, text: str) -> str:
        """Return the text with each concealed token replaced by `[redacted]`."""
        return _TOKEN.sub(self._or_redacted, text) if self._tokens else text

    def _or_redacted(self, match: re.Match[str]) -> str:
        return _REDACTED if match[0] in self._tokens else match[0]


def _redacted(name: str, value: str) -> tuple[str, str]:
    safe = _redact(value) if name.lower() in _CREDENTIAL_HEADERS else writable(value)
    return writable(name), safe


def writable(text: str) -> str:
    r"""Return the text with each lone surrogate written as `\udXXX`, so that UTF-8 can hold it."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _redact(value: str) -> str:
    scheme, blank, credentials = value.partition(" ")
    if not blank:
        return _REDACTED
    if scheme == "SNWS2":
        return f"{scheme} {','.join(map(_redact_component, credentials.split(',')))}"
    return f"{writable(scheme)} {_REDACTED}"


def _redact_component(component: str) -> str:
    name, equals, _ = component.partition("=")
    if name in _OPEN_COMPONENTS:
        return writable(component)
    return f"{writable(name)}={_REDACTED}" if equals else _REDACTED
