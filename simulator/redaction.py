"""Take secrets out of what is about to be remembered; the only place that does."""

from collections.abc import Iterable

__all__ = ["redact_headers", "writable"]

_REDACTED = "[redacted]"
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
# What an SNWS2 header says openly (SolarUser, SNWS2 header): who asks, and what was signed.
_OPEN_COMPONENTS = frozenset({"Credential", "SignedHeaders"})


def redact_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers with each credential replaced by `[redacted]`.

    Of an SNWS2 authorization `Credential` and `SignedHeaders` stay; of any other, the scheme.
    """
    return tuple(
        (writable(name), _redact(value) if name.lower() in _CREDENTIAL_HEADERS else writable(value))
        for name, value in headers
    )


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
