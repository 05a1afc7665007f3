"""Play production's hosts to programs outside: a proxy, and the variables that lead through it.

A program that has https://data.solarnetwork.net in its source is rehearsed as it is: it asks a
proxy for that host, as nearly every HTTP library does where HTTPS_PROXY says so, and the proxy
answers itself, with a certificate of an authority that was made for the session.
"""

from __future__ import annotations

import logging
import re
import socket
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined] # it is there

from oscp_sim.addresses import Others, answered_hosts
from oscp_sim.authority import TRUST_STORE_PASSWORD, Authority, trust_store
from oscp_sim.server import PortUnavailable, Stream, refuse

if TYPE_CHECKING:
    from ssl import SSLContext

    from oscp_sim.simulator import Simulator
    from oscp_sim.world import World

_LOG = logging.getLogger(__name__)

_HOST: Final = "127.0.0.1"
_PORTS: Final = {"http": 80, "https": 443}
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_FIRST: Final = re.compile(rb"(\S+) +(\S+) +(HTTP/\d\.\d)\r?\n")
_HOST_HEADER: Final = re.compile(rb"\nhost:[ \t]*(\S+)", re.IGNORECASE)
# What a proxy does not pass on: it speaks of the connection to the proxy.
_HOP: Final = re.compile(rb"\n(?:proxy-[\w-]+|connection|keep-alive):[^\n]*", re.IGNORECASE)
_LONGEST_CONNECTING: Final = 10.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """What comes first on each connection to an HTTP proxy that answers some hosts itself.

    Attributes:
        hosts: Those that it answers, in lower case.
        own: The base URL of the simulator, which it answers, too.
        tls: With what it encrypts connections to them.
        others: What becomes of requests for all others.
        environment: Where the proxy may be named through which others are reached.
    """

    hosts: frozenset[str]
    own: str
    tls: SSLContext
    others: Others = "pass"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    _refused: set[str] = field(default_factory=set, repr=False, compare=False)

    def __call__(self, stream: Stream) -> bool:
        """Return whether the requests of a connection are for the simulator."""
        if stream.begins_tls():
            # Led here without a word of where to, as by the hook for Node.
            stream.secure(self.tls)
            return True
        if not stream.goes_on():
            return False
        head = stream.head()
        first = _FIRST.match(head)
        if first is None:
            # The server says what is wrong with it.
            return True
        method, target = (each.decode("latin-1") for each in first.groups()[:2])
        try:
            if method == "CONNECT":
                return self._connect(stream, head, *_place(f"https://{target}"))
            return self._answer(stream, head, target)
        except ValueError:
            return _refused(stream, 400, f"{target} is not the address of a server")

    def _connect(self, stream: Stream, head: bytes, host: str, port: int) -> bool:
        """Open what looks like a connection to a host, or is one."""
        if not self._is_ours(host, port):
            return self._pass_on(stream, head, f"https://{_netloc(host, port)}")
        stream.take(len(head))
        stream.say(_ESTABLISHED)
        if stream.begins_tls():
            stream.secure(self.tls)
        return True

    def _answer(self, stream: Stream, head: bytes, target: str) -> bool:
        """Take a request without CONNECT: the URL in it, or its Host header, says who it is for."""
        named = _HOST_HEADER.search(head)
        url = target
        if target.startswith("/") and named is not None:
            url = f"http://{named[1].decode('latin-1')}"
        host, port = _place(url)
        if self._is_ours(host, port):
            # The next one may be for another host.
            stream.has_one_request = True
            return True
        if target.startswith("/") or not target.lower().startswith("http://"):
            why = f"this is a proxy, to be named in HTTPS_PROXY; the simulator is at {self.own}"
            return _refused(stream, 400, why)
        return self._pass_on(stream, head, target)

    def _is_ours(self, host: str, port: int) -> bool:
        return host in self.hosts or (host, port) == _place(self.own)

    def _pass_on(self, stream: Stream, head: bytes, url: str) -> bool:
        """Let a program reach another host, or tell it why not; a connection's URL has https."""
        place = _place(url)
        name = _netloc(*place)
        if self.others == "refuse":
            self._tell_of(name)
            why = f"{name} is not a host of this rehearsal, and others are refused"
            return _refused(stream, 403, why)
        further = _further(self.environment, url)
        by = f" by {_netloc(*_place(further))}" if further else ""
        try:
            other = socket.create_connection(
                _place(further) if further else place, timeout=_LONGEST_CONNECTING
            )
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return _refused(stream, 502, f"cannot connect to {name}{by}: {reason}")
        with other:
            stream.take(len(head))
            if further or not head.startswith(b"CONNECT "):
                other.sendall(_passed_on(head, url, further))
            else:
                stream.say(_ESTABLISHED)
            stream.join(other)
        return False

    def _tell_of(self, name: str) -> None:
        if name not in self._refused:
            self._refused.add(name)
            _LOG.warning("the proxy has refused %s: --others pass would let it through", name)


def _place(url: str) -> tuple[str, int]:
    """Return the host and port of a URL, as they are compared.

    Raises:
        ValueError: It has none.
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port
    if not host:
        raise ValueError("there is no host")
    return host, port or _PORTS.get(parts.scheme, 80)


def _refused(stream: Stream, status: int, why: str) -> bool:
    refuse(stream, status, why)
    return False


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _further(environment: Mapping[str, str], url: str) -> str | None:
    """Return the proxy through which a URL is reached from here, if there is one."""
    scheme = urlsplit(url).scheme
    named = {each.lower(): value for each, value in environment.items() if value}
    further = named.get(f"{scheme}_proxy", "")
    is_direct = proxy_bypass_environment(_place(url)[0], {"no": named.get("no_proxy", "")})
    return further if further.startswith("http://") and not is_direct else None


def _passed_on(head: bytes, url: str, further: str | None) -> bytes:
    """Return the head of a request to a proxy as the host itself gets it, or the next proxy."""
    first, end, rest = head.partition(b"\n")
    method, target, version = first.split()
    more = b""
    if further is None:
        parts = urlsplit(url)
        target = (parts.path or "/").encode("latin-1")
        target += f"?{parts.query}".encode("latin-1") if parts.query else b""
    elif user := urlsplit(further).netloc.rpartition("@")[0]:
        more = b"Proxy-Authorization: Basic " + b64encode(unquote_to_bytes(user)) + b"\r\n"
    if method != b"CONNECT":
        # One answer: the next request may be for another host.
        more += b"Connection: close\r\n"
    kept = _HOP.sub(b"", end + rest).rstrip(b"\r\n")
    return b" ".join((method, target, version)) + b"\r" + kept + b"\r\n" + more + b"\r\n"


# What a program finds in its environment.


def authority_for(world: World, names: Iterable[str] = ()) -> Authority:
    """Return an authority whose certificate is for production's hosts, and more names.

    Raises:
        TlsUnavailable: A library is missing, or a name is one that no certificate can have.
    """
    return Authority(answered_hosts(world).union(names))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What surrounds a simulator that programs trust, and reach as production.

    Attributes:
        variables: What a program needs in its environment.
        ca_file: The certificate of the authority, as PEM.
        proxy: The URL of the proxy, if there is one.
    """

    variables: Mapping[str, str]
    ca_file: Path
    proxy: str | None = None


@contextmanager
def surroundings(
    simulator: Simulator,
    authority: Authority,
    environment: Mapping[str, str],
    others: Others | None = None,
    port: int = 0,
) -> Iterator[Surroundings]:
    """Have a proxy in front of a simulator, and files with what is to be trusted, and yield them.

    Args:
        simulator: It is running.
        authority: Of the certificate by which it is served.
        environment: That of this process; what it says already still holds, as far as it can.
        others: What becomes of requests for other hosts than production's; there is no proxy where
            not given.
        port: Of the proxy, on the loopback interface; 0 takes a free one.

    Raises:
        PortUnavailable: The proxy cannot listen.
    """
    with TemporaryDirectory(prefix="oscp-sim-") as folder, ExitStack() as stack:
        ca_file = Path(folder) / "ca.pem"
        ca_file.write_text(authority.certificate, encoding="ascii")
        variables, java = _trusting(Path(folder), authority, environment)
        url = None
        if others is not None:
            hosts = answered_hosts(simulator.world)
            entrance = Proxy(hosts, simulator.url, authority.context, others, environment)
            try:
                server = simulator.listen(_HOST, port, entrance=entrance)
            except PortUnavailable as error:
                # The simulator's own is another option.
                raise PortUnavailable(str(error).replace("--port", "--proxy")) from error
            url = stack.enter_context(closing(server)).url
            leading, more = _leading(url, hosts, environment)
            variables, java = {**variables, **leading}, (*java, *more)
        given = environment.get("JAVA_TOOL_OPTIONS", "")
        java = tuple(f'"{each}"' if " " in each else each for each in java)
        variables["JAVA_TOOL_OPTIONS"] = " ".join((given, *java)).lstrip()
        yield Surroundings(variables, ca_file, url)


_NO_PROXY: Final = "localhost,127.0.0.1,::1"
#: Leads connections of a Node that knows no proxy to one.
_FOR_NODE: Final = Path(__file__).with_name("production.cjs")


def _trusting(
    folder: Path, authority: Authority, environment: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Write what is trusted, and return the variables that say where; and the options of Java."""
    bundle, store = folder / "ca-bundle.pem", folder / "ca-bundle.p12"
    trusted = authority.bundle(environment)
    bundle.write_text(trusted, encoding="ascii")
    store.write_bytes(trust_store(trusted))
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    options = (
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}",
    )
    return dict.fromkeys(names, str(bundle)), options


def _leading(
    url: str, hosts: frozenset[str], environment: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables that lead through a proxy, and the options of Java."""
    host, port = _place(url)
    hook = str(_FOR_NODE).replace("\\", "\\\\").replace('"', '\\"')
    variables = {
        **{each: url for name in ("HTTPS_PROXY", "HTTP_PROXY") for each in (name, name.lower())},
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _NO_PROXY),
        "NODE_USE_ENV_PROXY": "1",
        "NODE_OPTIONS": f'{environment.get("NODE_OPTIONS", "")} --require "{hook}"'.lstrip(),
        "OSCP_SIM_HOSTS": ",".join(sorted(hosts)),
    }
    options = (
        *(f"-D{scheme}.proxyHost={host}" for scheme in _PORTS),
        *(f"-D{scheme}.proxyPort={port}" for scheme in _PORTS),
    )
    return variables, options
