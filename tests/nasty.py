"""Bytes that are hard to read: good ones of each format, known nasty ones, and spoilt good ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from hypothesis import strategies as st

from tests.cases.payloads import forecast_value

# Good ones, and small: each is to be spoilt.

WORLD_TEXT: Final = b"""\
users:
  - id: 42
    tokens: [{id: a-token, secret: a-secret, type: User, policy: {node_ids: [1]}}]
    nodes: &nodes [1, 2]
    capacity_providers:
      - {id: 3, name: Grid, token: cp-token, behaviour: {adjustments: grant}}
    capacity_optimizers: [{id: 1, name: Depot, base_url: "https://co.example/oscp/co/2.0"}]
    capacity_groups: [{id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}]
rate_limit: {requests: 10, per: 1s}
faults:
  - {where: solaruser, fault: delay, between: [1s, 2s], times: 1}
"""
FAULTS_TEXT: Final = b"""\
faults:
  - {where: solaruser, path: /instr/add/OSCP_v20, fault: reset_after, times: 1}
  - {where: capacity_provider, fault: status, status: 503, retry_after: 30s, every: 3}
  - {where: solaruser, fault: delay, median: 300ms, sigma: 0.8}
"""
SCENARIO_TEXT: Final = b"""\
scenario: small
clock: {start: "2026-03-01T12:00:00Z"}
variables: {who: foo-group}
matrix: {action: [Handshake, Nope]}
steps:
  - send: &message
      {node: 1, optimizer: 1, group: "${who}", action: "${action}", message: {}}
    expect: {state: {matches: "Comp.*|Decl.*"}, within: 60s}
  - wait: 15m
  - verify: {party: capacity_provider, action: Handshake, exactly: 1}
  - send: *message
    expect: {reason: {starts_with: "x"}}
"""
EXPECT_TEXT: Final = b"""\
exit_code: 0
declined: nothing
output: {matches: "a(b|c)*"}
exchanges:
  - {to: capacity_provider, action: Handshake}
"""
MESSAGE: Final = json.dumps(forecast_value()).encode()
_PARAMS: Final = {"action": "Handshake", "coId": "1", "cgIdentifier": "foo-group", "msg": "{}"}
BODY: Final = json.dumps({"nodeId": 1, "topic": "OSCP_v20", "params": _PARAMS}).encode()
_SEAT: Final = {
    "user": 42,
    "kind": "capacity_provider_known",
    "id": 3,
    "remembered": {
        "token": "t",
        "oscp_version": "2.0",
        "registration_status": "Registered",
        "flexibility_provider_token": None,
        "heartbeat_date": "2026-01-02T03:04:05+00:00",
        "offline_date": None,
        "base_url": "http://cp.example",
        "simulated": False,
        "settings": {"heartbeat_seconds": 60, "measurement_styles": ["Continuous"]},
    },
}
KEPT_TEXT: Final = json.dumps({"version": 1, "seats": [_SEAT]}).encode()
_INSTRUCTION: Final = {
    "id": 1,
    "created": "2026-01-02 03:04:05Z",
    "nodeId": 1,
    "topic": "OSCP_v20",
    "instructionDate": "2026-01-02 03:04:05.1Z",
    "state": "Declined",
    "parameters": [{"name": "action", "value": "Handshake"}],
    "resultParameters": {"error": "x"},
}
REPLY: Final = json.dumps({"success": True, "data": _INSTRUCTION}).encode()
_ENTRY: Final = {
    "number": 1,
    "at": "2026-01-02T03:04:05Z",
    "party": "solaruser",
    "kind": "exchange",
    "peer": None,
    "sent": False,
    "exchange_id": 1,
    "action": "Handshake",
    "instruction_id": 1,
    "request": {
        "method": "POST",
        "target": "/solaruser/api/v1/sec/instr/add/OSCP_v20",
        "headers": [["content-type", "application/json"]],
        "body": BODY.decode(),
    },
    "response": {"status": 200, "headers": [], "body": ""},
    "state": None,
    "reason": None,
    "findings": [],
    "detail": {},
}
_QUEUED: Final = {
    **_ENTRY,
    "number": 2,
    "kind": "state",
    "exchange_id": None,
    "request": None,
    "response": None,
    "state": "Queuing",
    "detail": {"why": "x"},
}
_SETTING: Final = {
    "format": "oscp-sim journal",
    "version": 1,
    "seed": 1,
    "fidelity": "documented",
    "settings": {},
    "world": None,
}
JOURNAL_TEXT: Final = b"".join(
    json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in (_SETTING, _ENTRY, _QUEUED)
)
GOOD: Final = b"GET /_sim/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SNWS2: Final = (
    b"SNWS2 Credential=rehearsal-token-0001,SignedHeaders=host;x-sn-date,Signature=" + b"0a" * 32
)
RAW: Final = (
    b"POST /solaruser/api/v1/sec/instr/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    b"Content-Type: application/json\r\nAuthorization: " + SNWS2 + b"\r\n\r\n{}",
    b"POST /oscp/cp/2.0/handshake HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    b"Authorization: Token cp-token\r\n\r\n2;x=y\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
    b"GET http://localhost/_sim/journal?since=0 HTTP/1.0\r\nHost: localhost\r\n"
    b"Connection: keep-alive\r\n\r\n" + GOOD,
)
# What is hard to read.

_DEEP: Final = 1200
_MANY: Final = 1000
_LONG: Final = 20_000
_POST: Final = b"POST / HTTP/1.1\r\nHost: h\r\n"
_CHUNKED: Final = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_YAML_BOMB: Final = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (at + 1, at + 1, b", ".join([b"*%c" % at] * 9))
    for at in range(ord("a"), ord("j"))
)
_FIRST_LINE: Final = JOURNAL_TEXT.splitlines(keepends=True)[0]
#: By what they are nasty to.
NASTY: Final[Mapping[str, Mapping[str, bytes]]] = {
    "anything": {
        "nothing": b"",
        "a blank": b" ",
        "NUL bytes": b"\x00" * 1000,
        "not UTF-8": b'{"a": "\xff\xfe"}',
        "UTF-16": '{"nodeId": 1}'.encode("utf-16"),
        "a byte-order mark": b"\xef\xbb\xbf{}",
        "a long line": b"x" * _LONG,
        "many quotes": b'"' * _LONG,
        "many blanks": b" " * _LONG + b"x",
        "many line ends": b"\r\n" * 5000,
        "deep lists": b"[" * _DEEP + b"]" * _DEEP,
        "deep lists without end": b"[" * _DEEP,
    },
    "JSON": {
        "a NUL byte in a text": b'{"a": "x\x00y"}',
        "an escaped NUL": b'{"group_id": "\\u0000", "name": "\\u0000"}',
        "half of a surrogate pair": b'{"group_id": "\\ud800", "nodeId": "\\udfff"}',
        "UTF-32": '{"nodeId": 1}'.encode("utf-32"),
        "a scalar": b"7",
        "null": b"null",
        "a list": b"[1, 2]",
        "deep objects": b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
        "a long number": b"9" * _LONG,
        "long numbers as values": b'{"nodeId": %s, "id": %s}' % (b"9" * 9999, b"9" * 9999),
        "numbers beyond a double": b'{"capacity": 1e999999999, "nodeId": -1e999999999}',
        "an exponent beyond 64 bits": b'{"nodeId": 1e99999999999999999999, "offline_mode_at": 1}',
        "a tiny number": b'{"nodeId": 1e-999999999, "capacity": 0.' + b"0" * 9999 + b"1}",
        "numbers that JSON lacks": b'{"a": NaN, "b": Infinity, "c": -Infinity, "d": .5, "e": 0x1}',
        "a repeated name": b'{"nodeId": 1, "nodeId": 2, "params": {}, "params": {"a": "1"}}',
        "many names": b"{" + b",".join(b'"%d": %d' % (at, at) for at in range(_MANY)) + b"}",
        "a long list": b"[" + b"0," * _MANY + b"0]",
        "many escapes": b'{"msg": "' + b"\\u00e9" * 20_000 + b'"}',
        "many backslashes": b'"' + b"\\" * (_LONG + 1),
    },
    "YAML": {
        "line separators": "a: 1\u2028b: 2\x85c: 3".encode(),
        "deep lists of lines": b"- " * _DEEP + b"x",
        "deep mappings": b"".join(b" " * at + b"a:\n" for at in range(500)),
        "many names": b"{" + b",".join(b'"%d": %d' % (at, at) for at in range(_MANY)) + b"}",
        "many members": b"users: [" + b"0," * _MANY + b"0]",
        "many colons": b"a: " * _MANY,
        "a long key": b"x" * _LONG + b": 1",
        "a long number": b"{id: " + b"9" * _LONG + b"}",
        "an octal number": b"{id: 0o777777777777777777777777777777}",
        "a number beyond a double": b"{id: 1e999, seed: -.inf, x: .nan}",
        "a pattern with a set in a set": b'{output: {matches: "[[a]|[[b--c]"}}',
        "a pattern that explodes": b'{output: {matches: "(a+)+$"}, reason: {matches: "(((("}}',
        "a bomb of aliases": _YAML_BOMB,
        "aliases of nearly a million values": b"a: &a ["
        + b"x," * 990
        + b"x]\nb: ["
        + b"*a, " * 990
        + b"*a]",
        "an anchor of itself": b"a: &a [*a]",
        "an anchor of its own key": b"&a {*a : 1}",
        "an unknown alias": b"a: *b",
        "a merge key": b"a: &a {b: 1}\nc: {<<: *a}",
        "a tag of Python": b"!!python/object/apply:os.system [echo]",
        "a tag of one's own": b"a: !x 1",
        "binary": b"a: !!binary R0lGODlhDAAMAIQAAP",
        "a set and a timestamp": b"a: !!set {b, c}\nd: !!timestamp 2026-01-02",
        "a key that is a list": b"? [a, b]\n: 1",
        "a key that is null": b"~: 1\n: 2",
        "duplicate keys": b"a: 1\na: 2\nb: {c: 1, c: 2}",
        "two documents": b"a: 1\n---\nb: 2",
        "a directive": b"%YAML 9.9\n%TAG ! tag:x,2000:\n---\na: 1",
        "tabs": b"a:\n\t- b",
        "references in a circle": b'variables: {a: "${b}", b: "${a}"}\nscenario: "${a}"\nsteps: []',
        "an open reference": b'scenario: "' + b"${" * _MANY + b'"',
        "a matrix without end": b"scenario: x\nmatrix: {"
        + b", ".join(b"%c: [1,2,3,4,5,6,7,8,9]" % at for at in range(ord("a"), ord("z")))
        + b"}\nsteps: [{wait: 1s}]",
        "times beyond time": b"users: [{id: 1, capacity_providers: [{id: 3, name: n, token: t, "
        b"heartbeat_date: '0001-01-01T00:00:00+23:59', created: '9999-12-31T23:59:59-23:59'}]}]",
        "a duration beyond time": b"faults: [{where: hand_off, fault: late, by: 9999999999999h}]",
        "durations of a scenario": b"scenario: x\nsteps: [{wait: 9999999999999h}, {wait: 0.1ns}]",
    },
    "TOML": {
        "deep lists": b"a = " + b"[" * _DEEP,
        "deep tables": b"[" + b".".join([b"a"] * _DEEP) + b"]",
        "a long key": b".".join([b"a"] * 1000) + b" = 1",
        "a long number": b"node_id = " + b"9" * 9999,
    },
    "journal": {
        "lines of another kind": _FIRST_LINE + b'{"number": []}\n[]\n7\nnull\n',
        "an entry at the beginning of time": JOURNAL_TEXT.replace(
            b"2026-01-02T03", b"0001-01-01T00"
        ),
        "an entry at the end of time": JOURNAL_TEXT.replace(b"2026-01-02T03", b"9999-12-31T23"),
        "an empty first line": b"\n" + JOURNAL_TEXT,
        "a detail that is no number": JOURNAL_TEXT.replace(
            b'{"why":"x"}', b'{"rule":[],"fault":1}'
        ),
        "an answer after no time": JOURNAL_TEXT.replace(
            b'"detail":{}', b'"detail":{"answered_after":[]}'
        ),
        "a body that is no text": JOURNAL_TEXT.replace(b'"body":""', b'"body":{"a":1}'),
        "a body of half a character": JOURNAL_TEXT.replace(b'"body":""', b'"body":"\\ud800"'),
        "a target that is no URL": JOURNAL_TEXT.replace(b'"/solaruser/', b'"http://[::1/'),
        "a status of no HTTP": JOURNAL_TEXT.replace(b'"status":200', b'"status":-1'),
        "a world of nobody": _FIRST_LINE.replace(b'"world":null', b'"world":{"users":[{"id":{}}]}'),
        "a seed that is none": _FIRST_LINE.replace(b'"seed":1', b'"seed":1e999'),
        "settings that are none": _FIRST_LINE.replace(b'"settings":{}', b'"settings":[["a"]]'),
    },
    "header": {
        "the scheme alone": b"SNWS2",
        "everything twice": SNWS2 + b"," + SNWS2[6:],
        "many names": b"SNWS2 Credential=a,SignedHeaders=" + b"h;" * _MANY + b",Signature=0",
        "blanks": b"SNWS2  Credential = a , SignedHeaders = host , Signature = 0",
        "many equals signs": b"SNWS2 " + b"=" * _LONG,
        "many commas": b"SNWS2 " + b"," * _LONG,
        "a date far away": b"Fri, 31 Dec 9999 23:59:60 GMT",
        "a date that is none": b"Xxx, 99 Xxx 99999 99:99:99 GMT",
        "a digest that is no Base64": b"sha-256=====",
        "many types": b"a/b;q=1," * _MANY,
        "a quality beyond a double": b"a/b;q=1e999999999",
    },
    "HTTP": {
        "a request line alone": b"GET /",
        "HTTP/0.9": b"GET /\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
        "a method without end": b"G" * 140_000,
        "a target without end": b"GET /" + b"a" * 140_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        "many headers": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        "headers without end": b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 25_000,
        "lengths that differ": _POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "a negative length": _POST + b"Content-Length: -1\r\n\r\n",
        "a length of 19 digits": _POST + b"Content-Length: 9999999999999999999\r\n\r\n",
        "a length in other digits": _POST + "Content-Length: \u0663\r\n\r\nabc".encode(),
        "a body that never comes": _POST + b"Content-Length: 1000000\r\n\r\nab",
        "a chunk of 4 GB": _CHUNKED + b"ffffffff\r\nab",
        "many small chunks": _CHUNKED + b"1\r\na\r\n" * 5000 + b"0\r\n\r\n",
        "a chunk of no number": _CHUNKED + b"-1\r\n",
        "trailers without end": _CHUNKED + b"0\r\n" + b"X: y\r\n" * 5000,
        "codings": _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        "a folded header": b"GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n",
        "a path that climbs": b"GET /_sim/../../%2e%2e/%00/%ff%fe HTTP/1.1\r\nHost: h\r\n\r\n",
        "many requests at once": GOOD * 20,
    },
    "form": {
        "many fields": b"&".join(b"parameters%%5B%d%%5D.name=a" % at for at in range(_MANY)),
        "a field far away": b"nodeId=1&parameters%5B999999999%5D.name=a&parameters%5B-1%5D.name=b",
        "many percents": b"%" * 9999,
        "many ampersands": b"&" * _LONG,
    },
    "filter": {
        "deep parentheses": b"(" * _MANY,
        "deep negations": b"(!" * _MANY + b"(a=1)" + b")" * _MANY,
        "deep alternatives": b"(|" * _MANY,
        "many asterisks": b"(/action=" + b"*a" * _MANY + b")",
        "a pattern that explodes": b"(action~=(([A-Za-z]+)+)+;)",
        "an exponent beyond 64 bits": b"(coId>=1e99999999999999999999)",
        "a number beyond a double": b"(coId<=1e999999999)",
        "a long number": b"(coId<" + b"9" * 50_000 + b")",
    },
    "table": {
        "many lines": b"a,b\n" * _MANY,
        "many commas": b"," * 5000,
        "an open quote": b'start_time,"end_time\n1,2\n',
        "numbers that are none": b"start_time,end_time,capacity\n2026-01-02T00:00:00Z,"
        b"2026-01-02T01:00:00Z,1e999\n2026-01-02T01:00:00Z,2026-01-02T02:00:00Z,nan\n",
        "times beyond time": b"start_time,end_time,capacity\n0001-01-01T00:00:00+23:59,"
        b"9999-12-31T23:59:59-23:59,1\n",
    },
}


_TOKENS: Final = re.compile(rb"\w+|\s+|.", re.DOTALL)
_SPLINTERS: Final = (
    *(
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xe2\x80\xa8",
        b"\\ud800",
        b"\\",
        b'"',
        b"'",
        b"\t",
        b"\r",
    ),
    *(b"1e999", b"-1", b"0", b"9" * 30, b"9" * 5000, b"NaN", b"null", b"true", b"[]", b"{}", b"~"),
    *(
        b"[" * 200,
        b"{" * 200,
        b"*a",
        b"&a ",
        b"<<",
        b"!!x ",
        b"${",
        b"}",
        b"---\n",
        b"# ",
        b"? ",
        b": ",
    ),
    *(b"%00", b"%", b"=", b";", b",", b"\r\n\r\n", b"9999-12-31T23:59:59Z", b"P1Y", b"99999999h"),
)


@st.composite
def spoilt(draw: st.DrawFn, valid: Sequence[bytes]) -> bytes:
    """A good input of which some tokens are dropped, doubled, moved, cut off or nasty."""
    tokens = _TOKENS.findall(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(tokens) - 1)))
        match draw(st.sampled_from(("drop", "double", "replace", "insert", "swap", "cut"))):
            case "drop":
                del tokens[at : at + draw(st.integers(1, 5))]
            case "double":
                tokens[at:at] = tokens[at : at + draw(st.integers(1, 30))]
            case "replace":
                tokens[at : at + 1] = [draw(st.sampled_from(_SPLINTERS))]
            case "insert":
                tokens.insert(
                    at, draw(st.one_of(st.sampled_from(_SPLINTERS), st.binary(max_size=4)))
                )
            case "swap":
                tokens[at:] = [*tokens[at + 1 : at + 9], *tokens[at : at + 1], *tokens[at + 9 :]]
            case _:
                del tokens[at:]
    return b"".join(tokens)
