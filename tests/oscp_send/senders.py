"""Senders as integrators write them: some in good order, and mutants with one mistake each."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import unicodedata
from contextlib import suppress
from dataclasses import replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import requests

from oscp_send.instruction import split

if TYPE_CHECKING:
    from datetime import datetime

    from oscp_send.testing import Outcome, Sending

INSTR = "/solaruser/api/v1/sec/instr"
Pairs = list[tuple[str, str]]


class Plain:
    """A sender of `requests` and the standard library alone, in good order."""

    path = f"{INSTR}/add/OSCP_v20"
    when_unanswered: Outcome = "unknown"
    when_declined: Outcome = "not delivered"
    when_queued: Outcome | None = None
    looks = 30

    def __call__(self, sending: Sending) -> Outcome:
        try:
            answer = self.post(sending)
        except requests.RequestException:
            return self.when_unanswered
        return self.judged(sending, answer)

    # What is sent.

    def message(self, sending: Sending) -> str:
        return sending.text

    def parameters(self, sending: Sending) -> Pairs:
        pairs = [
            ("coId", str(sending.co_id)),
            ("cgIdentifier", sending.cg_identifier),
            ("action", sending.action),
            ("msg", self.message(sending)),
        ]
        if sending.correlation_id is not None:
            pairs.append(("correlationId", sending.correlation_id))
        return pairs

    def body(self, sending: Sending) -> bytes:
        named = [{"name": name, "value": value} for name, value in self.parameters(sending)]
        return json.dumps({"nodeId": sending.node_id, "params": named}).encode()

    def headers(self, body: bytes) -> dict[str, str]:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        return {"content-type": "application/json", "digest": f"sha-256={digest}"}

    # How it is signed.

    def signed_path(self, path: str) -> str:
        return path

    def signed_body(self, body: bytes) -> bytes:
        return body

    def signed_date(self, date: str) -> str:
        return date

    def signed_names(self, headers: dict[str, str]) -> list[str]:
        return sorted(headers)

    def authorised(
        self, sending: Sending, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> dict[str, str]:
        now: datetime = sending.now()
        date = format_datetime(now, usegmt=True)
        url = urlsplit(sending.url)
        headers = {**headers, "host": url.netloc, "x-sn-date": date}
        names = self.signed_names(headers)
        values = {**headers, "x-sn-date": self.signed_date(date)}
        path, _, query = target.partition("?")
        lines = [
            *(method, self.signed_path(path), query),
            *(f"{name}:{values[name]}" for name in names),
            *(";".join(names), hashlib.sha256(self.signed_body(body)).hexdigest()),
        ]
        canonical = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        key = f"SNWS2{sending.secret}".encode()
        for step in (f"{now:%Y%m%d}", "snws2_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        to_sign = f"SNWS2-HMAC-SHA256\n{now:%Y%m%dT%H%M%SZ}\n{canonical}"
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"Credential={sending.token},SignedHeaders={';'.join(names)}"
        return {**headers, "authorization": f"SNWS2 {credential},Signature={signature}"}

    # How it is posted, and followed.

    def post(self, sending: Sending) -> requests.Response:
        body = self.body(sending)
        headers = self.authorised(sending, "POST", self.path, self.headers(body), body)
        url = sending.url + self.path
        request = requests.Request("POST", url, headers=headers, data=body).prepare()
        # As it is: requests would write %5F as it means.
        request.url = url
        return sending.session.send(request, timeout=sending.timeout, allow_redirects=False)

    def judged(self, sending: Sending, answer: requests.Response) -> Outcome:
        try:
            told = answer.json()
        except ValueError:
            return "unknown"
        if answer.status_code in {400, 401, 403, 404, 422, 429} and told.get("success") is False:
            return "not delivered"
        return self.followed(sending, told["data"]) if answer.ok else "unknown"

    def followed(self, sending: Sending, instruction: dict[str, Any]) -> Outcome:
        for _ in range(self.looks):
            if instruction["state"] == "Completed":
                return "delivered"
            if instruction["state"] == "Declined":
                return self.when_declined
            if self.when_queued:
                return self.when_queued
            sending.sleep(0.1)
            with suppress(requests.RequestException, ValueError, KeyError):
                instruction = self.look(sending, instruction["id"])
        return "unknown"

    def look(self, sending: Sending, number: int) -> dict[str, Any]:
        target = f"{INSTR}/view?id={number}"
        headers = self.authorised(sending, "GET", target, {"accept": "application/json"}, b"")
        answer = sending.session.get(
            sending.url + target, headers=headers, timeout=sending.timeout, allow_redirects=False
        )
        found: dict[str, Any] = answer.json()["data"]
        return found


# Other senders in good order.


class SortsNames(Plain):
    """Writes the message itself, its names in order: that is the same message."""

    def message(self, sending: Sending) -> str:
        return json.dumps(sending.message, sort_keys=True, indent=2)


class SplitsItself(Plain):
    """Cuts the message into parts as SolarUser would."""

    def cut(self, text: str) -> list[str]:
        return split(text) if text.isascii() else [text]

    def parameters(self, sending: Sending) -> Pairs:
        found: Pairs = []
        for name, value in super().parameters(sending):
            found += [(name, part) for part in self.cut(value)]
        return found


class Form(Plain):
    """Posts a form: its fields are signed, a character of two units as two question marks."""

    def body(self, sending: Sending) -> bytes:
        pairs = [("nodeId", str(sending.node_id))]
        for at, (name, value) in enumerate(self.parameters(sending)):
            pairs += [(f"parameters[{at}].name", name), (f"parameters[{at}].value", value)]
        return urlencode(sorted(pairs), quote_via=quote, safe="-_.~").encode()

    def headers(self, body: bytes) -> dict[str, str]:
        return {"content-type": "application/x-www-form-urlencoded"} if body else {}

    def authorised(
        self, sending: Sending, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> dict[str, str]:
        signed = f"{target}?{self.signed_fields(body.decode())}" if body else target
        return super().authorised(sending, method, signed, headers, b"")

    def signed_fields(self, fields: str) -> str:
        return re.sub("%F[0-4](?:%[89AB].){3}", "%3F%3F", fields)


class EscapesThePath(Plain):
    """Posts to a path with an escaped character, which is signed as it is."""

    path = f"{INSTR}/add/OSCP%5Fv20"


# Mutants: what is sent.


class CutsByBytes(SplitsItself):
    def cut(self, text: str) -> list[str]:
        data = text.encode()
        return [data[at : at + 256].decode(errors="replace") for at in range(0, len(data), 256)]


class LosesTheLastPart(SplitsItself):
    def cut(self, text: str) -> list[str]:
        return [text[at : at + 256] for at in range(0, max(len(text) - 255, 1), 256)]


class DropsARepeatedParameter(SplitsItself):
    def body(self, sending: Sending) -> bytes:
        named = dict(self.parameters(sending))
        return json.dumps({"nodeId": sending.node_id, "params": named}).encode()


class DropsARepeatedName(Plain):
    def message(self, sending: Sending) -> str:
        return json.dumps(json.loads(sending.text))


class RoundsNumbers(Plain):
    def message(self, sending: Sending) -> str:
        text: str = sending.text
        return json.dumps(json.loads(text, parse_float=lambda number: round(float(number), 3)))


class Reencodes(Plain):
    def message(self, sending: Sending) -> str:
        text = json.dumps(sending.message, ensure_ascii=False)
        return text.encode("latin-1", "replace").decode("latin-1")


class SortsBlocks(Plain):
    def message(self, sending: Sending) -> str:
        value = json.loads(sending.text)
        for blocks in value.values():
            if isinstance(blocks, list) and all(isinstance(each, dict) for each in blocks):
                blocks.sort(key=lambda each: each.get("start_time", ""))
        return json.dumps(value)


class SendsFromAnotherNode(Plain):
    def body(self, sending: Sending) -> bytes:
        return super().body(replace(sending, node_id=sending.node_id + 1))


class DropsTheCorrelationId(Plain):
    def parameters(self, sending: Sending) -> Pairs:
        return [each for each in super().parameters(sending) if each[0] != "correlationId"]


class LowersTheCorrelationId(Plain):
    def parameters(self, sending: Sending) -> Pairs:
        pairs = super().parameters(sending)
        return [(name, text.lower() if name == "correlationId" else text) for name, text in pairs]


class ComposesLetters(Plain):
    def message(self, sending: Sending) -> str:
        return unicodedata.normalize("NFC", json.dumps(sending.message, ensure_ascii=False))


# Mutants: how it is signed.


class SignsTheDecodedPath(EscapesThePath):
    def signed_path(self, path: str) -> str:
        return unquote(path)


class SignsNoBody(Plain):
    def signed_body(self, body: bytes) -> bytes:
        return body[:0]


class SignsAnotherDate(Plain):
    def signed_date(self, date: str) -> str:
        return date.replace("GMT", "UTC")


class SignsFieldsAsTheyAre(Form):
    def signed_fields(self, fields: str) -> str:
        return fields


class LeavesTheDigestUnsigned(Plain):
    def signed_names(self, headers: dict[str, str]) -> list[str]:
        return sorted(headers.keys() - {"digest"})


# Mutants: what is said, and what is done about it.


class PostsAgain(Plain):
    def post(self, sending: Sending) -> requests.Response:
        try:
            return super().post(sending)
        except requests.Timeout:
            return super().post(sending)


class PostsAgainAt5xx(Plain):
    def judged(self, sending: Sending, answer: requests.Response) -> Outcome:
        is_broken = answer.status_code >= 500
        return super().judged(sending, self.post(sending) if is_broken else answer)


class IsCertain(Plain):
    when_unanswered = "not delivered"


class SwallowsADeclined(Plain):
    when_declined = "delivered"


class DeliveredOn200(Plain):
    def judged(self, sending: Sending, answer: requests.Response) -> Outcome:
        return "delivered" if answer.ok else super().judged(sending, answer)


class DeliveredWhenQueued(Plain):
    when_queued = "delivered"


class LetsErrorsOut(Plain):
    def __call__(self, sending: Sending) -> Outcome:
        return self.judged(sending, self.post(sending))


class KnowsNothing(Plain):
    looks = 0
