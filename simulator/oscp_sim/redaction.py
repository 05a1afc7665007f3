"""Take secrets out of what is recorded; the only place that does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from oscp_send.findings import Finding
from oscp_sim.http import Request, Response

#: A shorter one may be an ordinary word of the text.
SHORTEST_SECRET = 8
#: Characters of a text that are kept in sight: to look through more would hold up all others.
LONGEST_TEXT = 1_000_000
# Of a longer text more is looked through than is shown: nothing would recognise half of a secret.
# Longer than any that has no name; a concealed one may be longer still.
_LOOK_AHEAD = 16_384

_REDACTED = "[redacted]"
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
# A name that contains one of these, without hyphens and underscores, is a credential's, too.
_CREDENTIAL_WORDS = ("apikey", "token", "secret", "password", "auth", "credential", "cookie")
# These say which credentials are wanted, and hold none (RFC 9110 §11.6.1 and §11.7.1).
_CHALLENGES = frozenset({"www-authenticate", "proxy-authenticate"})
# The value of one of these begins with a scheme, which may stay.
_WITH_SCHEME = frozenset({"authorization", "proxy-authorization"})
# Not secret in an SNWS2 header (SolarUser, SNWS2 header): who asks, and what was signed.
_OPEN_COMPONENTS = frozenset({"Credential", "SignedHeaders"})

# The names of the JSON members whose values are secrets: a new token, the client secret of OAuth
# (docs/protocol/solaruser.md §8.1), what OAuth grants (RFC 6749 §5.1), and the headers with which
# a provider is called.
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
# JSON may be written in JSON, and all of it in a URL, but nobody goes on so without end.
_ESCAPES = r"(?:\\|%(?:25){0,3}5[Cc]){1,15}"
_PERCENT = "%(?:25){0,3}"
_PLUS_OR_SLASH = rf"{_ESCAPES}/|(?:{_PERCENT}|{_ESCAPES}u00|&\#x)2[BbFf];?"
# One character of a token; and what may hold tokens, at any place, for a path's slashes are
# characters of Base64, too.
_OF_TOKEN = re.compile(rf"[A-Za-z0-9+/]|{_PLUS_OR_SLASH}")
_MAYBE_TOKENS = re.compile(r"[A-Za-z0-9+/]{64,}")
# One of these is where a plus or a slash is escaped.
_TRACES = ("%2", "u002", "&#x2", "\\/", "5C/", "5c/")
_MAYBE_ESCAPED_TOKENS = re.compile(rf"(?:[A-Za-z0-9+/]|{_PLUS_OR_SLASH}){{64,}}")
# No word is as long as this: a longer secret is replaced within others, too.
_LONGEST_WORD = 24
# Where a word begins: not within another, but also after an escape of JSON or of a URL.
_BEGINNING = r"(?:(?<![\w-])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"
_END = r"(?![\w-])"


def _spelling(character: str) -> str:
    """Return a pattern of all the ways in which JSON can spell a character, in either case."""
    ways = {re.escape(each) for each in (character, character.upper())}
    codes = {f"{ord(each):04x}" for each in (character, character.upper())}
    return f"(?:{'|'.join(sorted(ways))}|\\\\u(?i:{'|'.join(sorted(codes))}))"


_NAMES = "|".join("".join(map(_spelling, name)) for name in _SECRET_MEMBERS)
# The text need not be JSON, and need not be whole: an unfinished value is taken to its end.
_MEMBER = re.compile(
    rf"""("(?:{_NAMES})"\s*:\s*)"""
    r"""(?:"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{].*\Z|[^\s",\]}]+)""",
    re.DOTALL,
)
# The same within a cell of a CSV table, where each quote is doubled, and as an element of XML.
_CELL = re.compile(
    rf"""(""(?:{_NAMES})"":)"""
    r"""(?:""[^"\\]*+(?:\\(?:""|.)[^"\\]*+)*+(?:""?|\\?\Z)|[\[{].*\Z|[^",\]}]+)""",
    re.DOTALL,
)
# The same in a map as Java prints it.
_PRINTED = re.compile(rf"([{{ ](?:{'|'.join(_SECRET_MEMBERS)})=)[^}}\r\n]*", re.IGNORECASE)
_ELEMENT = re.compile(rf"<({'|'.join(_SECRET_MEMBERS)})>", re.IGNORECASE)
_FIELD = re.compile(r"(oauth-client-secret=|client_secret=)[^&\s]*")
_FIELD_NAME = re.compile(r"\s*[\w.-]+\s*")
# A JSON Web Token: a header and claims, which are JSON objects, and a signature.
_WEB_TOKEN = re.compile(r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]*")
_USER_INFO = re.compile(r"(:\\?/\\?/)[^/?#\s\"'@:]*:[^/?#\s\"'@]*@")


def redact_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers with each credential replaced by `[redacted]`.

    An SNWS2 authorization keeps `Credential` and `SignedHeaders`; any other keeps its scheme. Any
    other header whose name is a credential's keeps nothing.
    """
    return tuple(
        pair
        if pair[0].isascii() and pair[1].isascii() and not is_credential(pair[0])
        else _redacted(*pair)
        for pair in headers
    )


@lru_cache(maxsize=1024)
def is_credential(name: str) -> bool:
    """Return whether the name of a header or of a form's field says that its value is a secret."""
    if name.lower() in _CHALLENGES:
        return False
    word = name.lower().replace("-", "").replace("_", "")
    return any(each in word for each in _CREDENTIAL_WORDS)


def redact_text(text: str) -> str:
    """Return a body or an address without the secrets that their names give away.

    These are the values of certain members of a JSON text, whole or broken, also where they are
    written as CSV or XML, of a form's client secret, and a user name and password in a URL; and
    every JSON Web Token.
    """
    if "eyJ" in text:
        text = _WEB_TOKEN.sub(_REDACTED, text)
    if _may_hold_secrets(text.lower()):
        text = _MEMBER.sub(rf'\1"{_REDACTED}"', text)
        text = _CELL.sub(rf'\1""{_REDACTED}""', text)
        text = _PRINTED.sub(rf"\1{_REDACTED}", text)
        text = _FIELD.sub(rf"\1{_REDACTED}", text)
        text = "".join(_without_elements(text))
    return _USER_INFO.sub(rf"\1{_REDACTED}@", text) if "@" in text else text


def _may_hold_secrets(text: str) -> bool:
    """Return quickly whether to look closer: most texts hold none, and each exchange is checked."""
    return "\\u" in text or any(map(text.__contains__, _SECRET_MEMBERS))


def _without_elements(text: str) -> Iterator[str]:
    at = 0
    while found := _ELEMENT.search(text, at):
        yield text[at : found.end()] + _REDACTED
        at = text.find(f"</{found[1]}>", found.end())
        if at < 0:
            return
    yield text[at:]


def redact_form(text: str) -> str:
    """Return a form without the values of the fields whose names say that they are secrets.

    A name may be spelled in many ways (`client%5Fsecret`): it is shown decoded.
    """
    return "&".join(map(_without_secret, text.split("&")))


def _without_secret(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    try:
        plain = unquote_plus(name, errors="strict")
    except UnicodeDecodeError:
        return pair
    is_secret = bool(equals) and _FIELD_NAME.fullmatch(plain) and is_credential(plain)
    return f"{plain}={_REDACTED}" if is_secret else pair


def redact_quoted(text: str, secrets: Iterable[str]) -> str:
    """Return a text that may quote secrets with each replaced by `[redacted]`.

    One that could be part of a word is replaced only where it is a word of its own. One is also
    replaced where it is spelled as in JSON or in a URL.
    """
    if not text:
        return text
    plain = {writable(secret) for secret in secrets if secret}
    return _without(text, sorted(plain, key=len, reverse=True))


class Parts(NamedTuple):
    """What may hold secrets in a journal entry; see `Entry` for each."""

    request: Request | None
    response: Response | None
    reason: str | None
    findings: tuple[Mapping[str, Any], ...]
    detail: Mapping[str, Any]
    judge: Callable[[], Iterable[Finding]] = tuple
    is_safe: bool = False


@dataclass(slots=True, repr=False, eq=False)
class Recorded:
    """Parts of which the secrets are taken out when they are first read: most never are."""

    _parts: Parts
    _concealed: Concealed

    @property
    def status(self) -> int | None:
        """The response's status, which is no secret."""
        response = self._parts.response
        return None if response is None else response.status

    @property
    def method(self) -> str | None:
        """The request's method, which is no secret unless a sender made it one."""
        request = self._parts.request
        return None if request is None else self._concealed.redact(request.method)

    @property
    def target(self) -> str | None:
        """The request's target without any secret; of the body nothing is read."""
        parts = self._parts  # looked at once: another thread may replace it
        request = parts.request
        if request is None or parts.is_safe:
            return None if request is None else request.target
        return self._concealed.safe(request.target)

    @property
    def system(self) -> int | None:
        """The id of the Capacity Provider or Optimizer in the detail, which is no secret."""
        return self._parts.detail.get("id")

    @property
    def is_handed_over(self) -> bool:
        """Whether the detail has what SolarUser hands to the Flexibility Provider."""
        return "handed_over" in self._parts.detail

    @property
    def parts(self) -> Parts:
        """The parts without any secret; any thread may read them."""
        parts = self._parts
        if not parts.is_safe:
            parts = self._parts = self._concealed.removed_from(parts)
        return parts

    @property
    def findings(self) -> tuple[Mapping[str, Any], ...]:
        """The findings, those of the judge made anew: a thousand of them take much room."""
        parts = self.parts
        judged = [each.to_dict() for each in parts.judge()]
        if not judged:
            self._parts = parts._replace(judge=tuple)
        return (*parts.findings, *self._concealed.safe_findings(judged))


@dataclass(frozen=True, slots=True)
class Concealed:
    """Tokens that no text may show, in any spelling."""

    _tokens: frozenset[str] = field(default=frozenset(), repr=False)
    # Of another form than a token of the service, the longest first.
    _others: tuple[str, ...] = field(default=(), repr=False)

    def adding(self, token: str) -> Concealed:
        """Return the same with one more token.

        One of 64 characters of Base64 is replaced everywhere. One of another form must have at
        least eight characters, and is replaced where it is not part of a longer word.
        """
        if _TOKEN.fullmatch(token):
            return replace(self, _tokens=self._tokens | {token})
        plain = writable(token)
        if len(plain) < SHORTEST_SECRET or plain in self._others:
            return self
        others = sorted((*self._others, plain), key=len, reverse=True)
        return replace(self, _others=tuple(others))

    def removed_from(self, parts: Parts) -> Parts:
        """Return the parts of a journal entry without any secret."""
        return Parts(
            parts.request and self.safe_request(parts.request),
            parts.response and self.safe_response(parts.response),
            None if parts.reason is None else self.safe(parts.reason),
            self.safe_findings(parts.findings),
            MappingProxyType(_each(self.safe, parts.detail)),
            parts.judge,
            is_safe=True,
        )

    def safe_findings(self, findings: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        """Return findings without any secret."""
        return tuple(_each(lambda text: self.redact(writable(text)), one) for one in findings)

    def safe_request(self, request: Request) -> Request:
        """Return a request without any secret."""
        body = self.safe(request.text).encode()
        method = request.method
        if len(method) >= SHORTEST_SECRET:
            method = self.redact(method)
        headers = self._safe_headers(request.headers)
        return Request(method, self.safe(request.target), headers, body)

    def safe_response(self, response: Response) -> Response:
        """Return a response without any secret."""
        body = self.safe(response.shown).encode()
        return Response(response.status, self._safe_headers(response.headers), body)

    def _safe_headers(self, headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return headers without secrets, also where their names say nothing of it."""
        named = redact_headers(headers)
        # Most hold none: a look tells. A credential's name among values would seem to begin one.
        names, values = ("\n".join(pair[at] for pair in named) for at in range(2))
        if self.redact(names) == names and self.safe(values) == values:
            return named
        return tuple((self.redact(name), self.safe(value)) for name, value in named)

    def safe(self, text: str) -> str:
        """Return a text without any secret, and without what is beyond its first characters."""
        if len(text) <= LONGEST_TEXT:
            return self.redact(redact_text(writable(text)))
        ahead = max(_LOOK_AHEAD, *map(_longest_spelling, self._others), 0)
        looked_through = text[: LONGEST_TEXT + ahead]
        safe = self.redact(redact_text(writable(looked_through)))
        return _beginning(safe, ahead, len(text) - len(looked_through))

    def redact(self, text: str) -> str:
        """Return the text with each concealed token replaced by `[redacted]`."""
        if self._others:
            text = _without(text, self._others)
        if not self._tokens:
            return text
        is_escaped = any(map(text.__contains__, _TRACES))
        pattern = _MAYBE_ESCAPED_TOKENS if is_escaped else _MAYBE_TOKENS
        return pattern.sub(self._without_tokens, text)

    def _without_tokens(self, match: re.Match[str]) -> str:
        text = match[0]
        units = list(text) if text.isalnum() else _OF_TOKEN.findall(text)
        plain = "".join(map(_unescaped, units)) if len(units) < len(text) else text
        shown, seen = [], 0
        for at in range(len(units) - 63):
            if at >= seen and plain[at : at + 64] in self._tokens:
                shown += [*units[seen:at], _REDACTED]
                seen = at + 64
        return "".join([*shown, *units[seen:]])


def _unescaped(unit: str) -> str:
    """Return one character of a token as it is."""
    if len(unit) == 1:
        return unit
    return "+" if unit.rstrip(";")[-1] in "bB" else "/"


def _beginning(safe: str, ahead: int, unseen: int) -> str:
    """Return what is shown of a text without secrets, at whose end there may be a half of one."""
    end = min(LONGEST_TEXT, max(0, len(safe) - ahead)) if unseen else LONGEST_TEXT
    left = len(safe[end:]) + unseen
    return f"{safe[:end]} [and {left:,} more characters]" if left else safe


def _each(safe: Callable[[str], str], value: Any) -> Any:  # noqa: ANN401 - JSON values
    """Return JSON values with each of their texts made safe."""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, Mapping):
        return {safe(name): _each(safe, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_each(safe, each) for each in value]
    return value


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if _core(secret) in text:
            text = _alone(secret).sub(_REDACTED, text)
    return text


@lru_cache(maxsize=1024)
def _core(secret: str) -> str:
    """Return a part of a secret that is the same in every spelling."""
    return max(_RUNS.findall(secret), key=len, default="")


@lru_cache(maxsize=1024)
def _alone(secret: str) -> re.Pattern[str]:
    """Return a pattern of a secret in any spelling.

    One that could be part of a word is found only outside of words.
    """
    pattern = _spelled(secret)
    if len(secret) < _LONGEST_WORD:
        before = _BEGINNING if _is_of_word(secret[0]) else ""
        after = _END if _is_of_word(secret[-1]) else ""
        pattern = before + pattern + after
    return re.compile(pattern)


_RUNS = re.compile(r"[A-Za-z0-9]+")
_ALSO_WRITTEN = MappingProxyType(
    {
        # In a cell of a CSV table it is doubled.
        '"': (rf'{_ESCAPES}(?:"|{_PERCENT}22)', '""', f"{_PERCENT}22{_PERCENT}22", "&quot;"),
        "/": (rf"{_ESCAPES}(?:/|{_PERCENT}2[Ff])",),
        "&": ("&amp;",),
        "<": ("&lt;",),
        ">": ("&gt;",),
        "'": ("&apos;",),
        " ": (rf"\+|{_PERCENT}2[Bb]",),
        "\n": (f"{_ESCAPES}n",),
        "\r": (f"{_ESCAPES}r",),
        "\t": (f"{_ESCAPES}t",),
    }
)


def _spelled(secret: str) -> str:
    """Return a pattern of how JSON, URLs, forms, tables and markup may write a secret.

    Each text fits it in one way at most: else what only nearly is a secret would take for ever.
    """
    pieces: list[str] = []
    before = ""
    for character, repeated in groupby(secret):
        piece = _written(character, len(list(repeated)))
        # Backslashes take all of them, also those that escape what follows.
        pieces.append(piece.replace(_ESCAPES, f"(?:{_ESCAPES})?") if before == "\\" else piece)
        before = character
    return "".join(pieces)


def _written(character: str, count: int) -> str:
    """Return a pattern of how a character may be written, so many times in the same way."""
    if _RUNS.fullmatch(character):
        return character * count
    if character == "\\":
        return rf"(?:\\|{_PERCENT}5[Cc]){{{count},{15 * count}}}+"
    units = re.findall("....", character.encode("utf-16-be").hex())
    in_json = "".join(f"{_ESCAPES}u{each}" for each in units)
    in_url = "".join(f"{_PERCENT}{each:02x}" for each in character.encode())
    number = ord(character)
    coded = rf"(?i:{in_json}|{in_url}|&\#0*{number};|&\#x0*{number:x};)"
    ways = (*_ALSO_WRITTEN.get(character, ()), re.escape(character), coded)
    return f"(?:{'|'.join(f'(?:{each}){{{count}}}' for each in ways)})"


def _longest_spelling(secret: str) -> int:
    return len(secret) if secret.isalnum() and secret.isascii() else 12 * len(secret)


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character in "_-"


def _redacted(name: str, value: str) -> tuple[str, str]:
    if not is_credential(name):
        safe = writable(value)
    else:
        safe = _redact(value) if name.lower() in _WITH_SCHEME else _REDACTED
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
