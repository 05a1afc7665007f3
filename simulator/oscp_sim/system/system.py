"""A system that the simulator plays: what it knows, and what it can be told to send.

It knows what it was told and what it has said itself; of the world it sees no more than its
operator would.
"""

from __future__ import annotations

import math
import threading
import uuid
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from random import Random
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from oscp_sim.access_tokens import new_token as made_token
from oscp_sim.addresses import NobodyThere, path_of
from oscp_sim.clock import Line
from oscp_sim.conversation import Conversation, ExchangedMessage
from oscp_sim.dataclass_values import changed
from oscp_sim.entry import PartyName
from oscp_sim.http import Errand, Request, Response
from oscp_sim.journal import Room
from oscp_sim.outgoing import IN_PROCESS_URL, Unanswered
from oscp_sim.shared import Shared
from oscp_sim.system.heartbeats import Heartbeats, OfflineWatch
from oscp_sim.system.profile import PATHS, Profile, are_alike, profile_of
from oscp_sim.system.registration import VERSION, Agreement, Registration, behaviour_of
from oscp_sim.system.segments import Segments
from oscp_sim.system.sending import Received, Sent, encoded, message_headers
from oscp_sim.world import AnySystem, User, World

_Message = TypeVar("_Message")

FORECAST: Final = "UpdateGroupCapacityForecast"
ADJUSTMENT: Final = "AdjustGroupCapacityForecast"

# Bytes of a message's notes.
_BARE: Final = 1000
# How many forecasts an adjustment may refer to: ten days of quarter hours.
_FORECASTS: Final = 1000
# Seconds to connect, and without a byte of the answer.
_TIMEOUT: Final = (10.0, 30.0)
_MINUTE: Final = 60
# What a heartbeat announces where nobody has said how often they come, in seconds.
_USUAL_INTERVAL: Final = 60.0
# A Flexibility Provider may answer a Register with its own for as long as it tries again (§5.3).
_ANSWERS_WITHIN: Final = timedelta(seconds=30)


class _View(NamedTuple):
    """What one world says of a system: as it is there, or was there last."""

    world: World | None
    system: AnySystem
    is_configured: bool
    profile: Profile


class _Newest(Generic[_Message]):
    """The newest messages, oldest first."""

    def __init__(self, most: int | None) -> None:
        self.kept: deque[_Message] = deque()
        self._numbers = count()
        self._room = Room(most)

    def append(self, message: _Message, size: int) -> None:
        """Keep one more."""
        last = next(self._numbers)
        self.kept.append(message)
        self._room.take(last, _BARE + size)
        while self._room.is_short:
            self._room.free(last + 1 - len(self.kept))
            self.kept.popleft()


class System(ABC):
    """A Capacity Provider or Optimizer that the simulator plays.

    Each command sends one message, with an X-Request-ID that is made from the seed unless given,
    and with the X-Correlation-ID that is given, if any.

    Attributes:
        party: What kind of system it is.
        words: The same for people.
        lock: Held while one message is dealt with; never while an answer is awaited.
        registration: How it and the Flexibility Provider know each other.
        agreement: What they ask of each other.
        heartbeats: Those that it sends by itself, once it is registered.
        offline_watch: Whether the Flexibility Provider is there.
        segments: Those that it got of messages that are not whole yet.
    """

    party: ClassVar[PartyName]
    words: ClassVar[str]

    def __init__(
        self,
        shared: Shared,
        user_id: int,
        configured: AnySystem,
        tokens_changed: Callable[[], None],
    ) -> None:
        self.shared = shared
        self.user_id = user_id
        self.id = configured.id
        self.lock = threading.RLock()
        self.registration = Registration(shared, self._configured, tokens_changed)
        self.agreement = Agreement(self._configured, self.registration)
        clock, schedule = shared.clock, shared.schedule
        self.heartbeats = Heartbeats(
            clock,
            schedule,
            self._heartbeats_due,
            self._beat,
            lambda: self.profile.beats_as_it_asked,
        )
        self.offline_watch = OfflineWatch(clock, schedule, self._gone, self._back)
        self.segments = Segments()
        self._view = _View(None, configured, True, profile_of(configured))
        self._received = _Newest[Received](shared.limits.messages)
        self._sent = _Newest[Sent](shared.limits.messages)
        self._forecasts: deque[Mapping[str, Any]] = deque(maxlen=_FORECASTS)
        self._under_way: list[ExchangedMessage] = []

    @staticmethod
    @abstractmethod
    def of_user(user: User) -> Sequence[AnySystem]:
        """Return the systems of this kind that a user has configured."""

    @property
    def system(self) -> AnySystem:
        """The system as the world has it, or had it last."""
        return self._configured()

    @property
    def is_configured(self) -> bool:
        """Whether the world still has it."""
        return self._looked_up().is_configured

    @property
    def profile(self) -> Profile:
        """How it behaves."""
        return self._looked_up().profile

    @property
    def groups(self) -> frozenset[str]:
        """The identifiers of its Capacity Groups."""
        user = self.shared.world.user(self.user_id)
        groups = user.groups_of(self.system) if user else ()
        return frozenset(each.identifier for each in groups)

    @property
    def received(self) -> tuple[Received, ...]:
        """The newest messages that it got, oldest first."""
        with self.lock:
            return tuple(self._received.kept)

    @property
    def sent(self) -> tuple[Sent, ...]:
        """The newest messages that it sent, oldest first."""
        with self.lock:
            return tuple(self._sent.kept)

    @property
    def forecasts(self) -> tuple[Mapping[str, Any], ...]:
        """The newest forecasts that it sent and that were not refused, oldest first."""
        with self.lock:
            return tuple(self._forecasts)

    @cached_property
    def conversation(self) -> Conversation:
        """What was said, as far as it matters for what is said next."""
        return Conversation(
            self.party,
            registered=self.registration.is_registered,
            handshaken=self.agreement.is_handshaken,
        )

    @property
    def interval(self) -> float | None:
        """Seconds between two heartbeats: its own, or what the other side asks for; None: none."""
        own = self.profile.behaviour.heartbeat_every
        if own is not None:
            return own.total_seconds()
        if self.profile.beats_as_it_asked:
            seconds = self.agreement.required_seconds
            return math.ceil(seconds / _MINUTE) * _MINUTE if seconds else None
        return self.agreement.heartbeat_seconds if self.profile.uses_heartbeats else None

    @property
    def who(self) -> dict[str, int]:
        """What tells it from others of its kind in the journal."""
        return {"user": self.user_id, "id": self.id}

    @property
    def queue(self) -> Hashable:
        """The queue, on the schedule, of what it sends later."""
        return Line((self.party, self.user_id, self.id), self._is_answered_at_once)

    def _is_answered_at_once(self) -> bool:
        """Return whether the other side is here, and no fault lets it wait for others meanwhile."""
        is_here = self.registration.url.startswith(f"{IN_PROCESS_URL}/")
        return is_here and not self.shared.faults.rules

    # --- commands --------------------------------------------------------------------------------

    def register(
        self,
        *,
        token: str | None = None,
        new_token: bool = False,
        show: str | None = None,
        base_url: str | None = None,
        version: str = VERSION,
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Send Register to the Flexibility Provider, which answers with its own Register.

        `token` is what that shall show from now on: what it shows already unless given, or a new
        one. `show` is the token to show to it from now on, told out of band. `base_url` is where
        this system says that it is, and `version` what it says it speaks: the truth, unless given.

        Raises:
            NobodyThere: There is no Flexibility Provider; then no command can be carried out.
        """
        self._check_receiver()
        with self.lock:
            if show is not None:
                self.shared.journal.conceal(show)
                self.registration.show(show)
            given = self._issue(token, new=new_token)
            self.registration.opened()
        message = self._register_message(given, base_url, version)
        sent = self.post("Register", message, request_id=request_id, correlation_id=correlation_id)
        if sent.status is not None and not self.is_success(sent):
            with self.lock:
                self.registration.refused()
        return sent

    def answer_register(self, correlation_id: str | None) -> Sent:
        """Send the Register that answers an opening one, by whose X-Request-ID it may be known.

        Its token is a new one.
        """
        self._check_receiver()
        with self.lock:
            given = self._issue(None, new=True)
        message = self._register_message(given, None, VERSION)
        sent = self.post("Register", message, correlation_id=correlation_id)
        with self.lock:
            if self.is_success(sent):
                self.registration.answered(self.shared.clock.now() + _ANSWERS_WITHIN)
                self.heartbeats.plan()
            elif sent.status is not None:
                self.registration.refused()
        return sent

    def handshake(
        self,
        *,
        heartbeat_interval: float | None = 60,
        measurement_configuration: Iterable[str] | None = ("CONTINUOUS",),
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Send Handshake: what this side asks of the Flexibility Provider.

        The interval is in seconds; None leaves a field out.
        """
        behaviour = behaviour_of(heartbeat_interval, measurement_configuration)
        message = {"required_behaviour": behaviour}
        sent = self.post("Handshake", message, request_id=request_id, correlation_id=correlation_id)
        if self.is_success(sent):
            self.agreement.require(behaviour)
            if self.profile.beats_as_it_asked:
                self.heartbeats.plan()
        return sent

    def handshake_acknowledge(
        self,
        *,
        heartbeat_interval: float | None = None,
        measurement_configuration: Iterable[str] | None = None,
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Send HandshakeAcknowledge, with what this side asks for itself, if anything.

        It should correlate to the Handshake's X-Request-ID.
        """
        behaviour = behaviour_of(heartbeat_interval, measurement_configuration)
        message: dict[str, Any] = {"required_behaviour": behaviour} if behaviour else {}
        return self.post(
            "HandshakeAcknowledge", message, request_id=request_id, correlation_id=correlation_id
        )

    def heartbeat(
        self,
        *,
        offline_mode_at: datetime | str | None = None,
        request_id: str | None = None,
        correlation_id: str | None = None,
    ) -> Sent:
        """Send Heartbeat, with the time from when on this side is to be considered offline.

        That is twice its interval from now unless given (oscp-sim-cp: once).
        """
        if offline_mode_at is None:
            interval = self.interval or _USUAL_INTERVAL
            ahead = timedelta(seconds=self.profile.announces * interval)
            offline_mode_at = self.shared.time_to_write(self.party, "Heartbeat") + ahead
        if isinstance(offline_mode_at, datetime):
            offline_mode_at = self.profile.write_time(offline_mode_at)
        message = {"offline_mode_at": offline_mode_at}
        return self.post("Heartbeat", message, request_id=request_id, correlation_id=correlation_id)

    def post(
        self,
        action: str,
        message: object,
        *,
        request_id: str | None = None,
        correlation_id: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Sent:
        """Send any message, sound or not, once; a forecast that is not refused counts from then on.

        A message of JSON values is written; text or bytes go as they are. The `headers` come
        besides, in order.

        Raises:
            ValueError: There is no such message.
        """
        request_id = request_id or self.new_request_id()
        if action not in PATHS:
            raise ValueError(f'there is no message "{action}"; there are: {", ".join(PATHS)}')
        self._check_receiver()
        request = Request(
            "POST",
            self.registration.url + PATHS[action],
            (*message_headers(self.registration.shown, request_id, correlation_id), *headers),
            encoded(message),
            exchange_id=self.shared.journal.new_exchange_id(),
        )
        if self.shared.faults.rules:
            request = Errand.of(request, "flexibility_provider")
        content = message if isinstance(message, Mapping) else {}
        now = self.shared.clock.now()
        said = ExchangedMessage(action, content, request_id, correlation_id, sent=True, at=now)
        with self.lock:
            self._under_way.append(said)
        result: Response | Unanswered
        try:
            result = self.shared.outgoing.send(request, timeout=_TIMEOUT)
        except Unanswered as error:
            result = error
        with self.lock:
            sent = self._record_sent(said, request, result)
            is_refused = sent.status is not None and not self.is_success(sent)
            if action == FORECAST and isinstance(message, Mapping) and not is_refused:
                self._forecasts.append(message)
        return sent

    def retry(
        self,
        send: Callable[[], Sent],
        then: Callable[[], object] | None = None,
        pauses: tuple[float, ...] | None = None,
    ) -> None:
        """Send a message, again after each pause until it is accepted; else note it in the journal.

        The pauses are in seconds, the profile's unless given. `then` is done once it is accepted.
        """
        pauses = self.profile.pauses if pauses is None else pauses
        try:
            sent = send()
        except NobodyThere as nobody:
            self.note(f"nothing is sent: {nobody}")
            return
        if self.is_success(sent):
            if then is not None:
                then()
        elif pauses:
            self.shared.schedule.after(
                pauses[0], lambda: self.retry(send, then, pauses[1:]), queue=self.queue
            )
        else:
            tries = len(self.profile.pauses) + 1
            answer = sent.reason if sent.status is None else f"{sent.status} {sent.reason}"
            self.note(
                f"the {sent.action} was not taken in {tries} {'tries' if tries > 1 else 'try'}, "
                "and is given up: "
                f"{answer}",
                request_id=sent.request_id,
            )

    def is_success(self, sent: Sent) -> bool:
        """Return whether a message was accepted, as this system sees it."""
        return sent.status is not None and sent.status in self.profile.accepts

    def new_request_id(self) -> str:
        """Return an X-Request-ID: a random UUID, the same ones for the same seed."""
        with self.lock:
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    # --- what it remembers -----------------------------------------------------------------------

    def record_received(self, received: Received, said: ExchangedMessage | None) -> None:
        """Record a message that came; `said` is None for one that does not count as said."""
        with self.lock:
            if said is not None:
                self.conversation.remember(said)
            self._received.append(received, received.size)

    def remember_under_way(self) -> None:
        """Count what is still under way as said: the other side may answer it before its answer."""
        for said in self._under_way:
            self.conversation.remember(said)
        self._under_way.clear()

    def note(self, why: str, **detail: object) -> None:
        """Record in the journal what no message shows."""
        self.shared.journal.append(self.party, "note", detail={"why": why, **self.who, **detail})

    def plan(self) -> None:
        """Plan what it does by itself."""
        self.heartbeats.plan()

    def end(self) -> None:
        """Do nothing by itself any more."""
        self.heartbeats.end()
        self.offline_watch.end()

    def to_dict(self) -> dict[str, Any]:
        """Return what it knows as JSON values, without secrets."""
        offline_at = self.offline_watch.offline_at
        received, sent = self.received, self.sent
        # Not under the lock, which would keep those waiting who send to it.
        shown = {
            "received": [each.to_dict() for each in received],
            "sent": [each.to_dict() for each in sent],
        }
        with self.lock:
            return {
                "party": self.party,
                **self.who,
                "name": self.system.name,
                "groups": sorted(self.groups),
                "flexibility_provider": self.registration.url,
                "registered": self.registration.is_registered,
                "awaits_register": self.registration.is_awaiting_answer,
                "handshaken": self.agreement.is_handshaken,
                "required": self.agreement.required,
                "asked": self.agreement.asked,
                **shown,
                "offline_mode_at": offline_at and self.profile.write_time(offline_at),
                "offline": self.offline_watch.is_offline,
            }

    def remembered(self) -> dict[str, Any]:
        """Return what must survive a restart, as JSON values; with secrets."""
        with self.lock:
            return {**self.registration.remembered(), **self.agreement.remembered()}

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Take up what was remembered before a restart."""
        with self.lock:
            self.registration.recall(remembered)
            self.agreement.recall(remembered)
            for token in self.registration.secrets:
                self.shared.journal.conceal(token)

    # --- how it does that ------------------------------------------------------------------------

    def _configured(self) -> AnySystem:
        return self._looked_up().system

    def _looked_up(self) -> _View:
        """Return what the world says of the system; looked up once in each world."""
        world, view = self.shared.world, self._view
        if world is view.world:
            return view
        found = world.current(self.user_id, view.system)
        system = found or view.system
        profile = view.profile if are_alike(system, view.system) else profile_of(system)
        # Replaced as a whole, for other threads look at it meanwhile.
        view = self._view = _View(world, system, found is not None, profile)
        return view

    @cached_property
    def _random(self) -> Random:
        """Makes what is invented; the same seed, the same."""
        name = f"{self.party} {self.user_id} {self.id}"
        return Random(f"{name} {self.shared.seed}")  # noqa: S311 - of a rehearsal

    def _issue(self, token: str | None, *, new: bool) -> str:
        """Give out a token: that one, a new one, or once more the newest."""
        issued = self.registration.issued
        if token is None and issued and not new:
            token = issued[-1].value
        is_made = token is None
        # After a restart, chance begins anew.
        while token is None or (is_made and token in self.registration.secrets):
            token = made_token(self._random)
        self.shared.journal.conceal(token)
        profile = self.profile
        self.registration.issue(token, self.shared.clock.now(), profile.behaviour.token_valid_for)
        if profile.old_token_ends_at_once:
            self.registration.end_old_tokens()
        return token

    def _register_message(self, token: str, base_url: str | None, version: str) -> dict[str, Any]:
        if base_url is None:
            to = self.registration.url
            base_url = self.shared.addresses.announced(path_of(self.system), to=to)
        return {"token": token, "version_url": [{"version": version, "base_url": base_url}]}

    def _check_receiver(self) -> None:
        """Raise NobodyThere where there is no Flexibility Provider to send to."""
        self.shared.addresses.check_flexibility_provider(self.registration.url)

    def _record_sent(
        self, said: ExchangedMessage, request: Request, result: Response | Unanswered
    ) -> Sent:
        reply = result if isinstance(result, Response) else None
        detail: dict[str, object] = {} if reply else {"why": str(result)}
        if result.after:
            detail["answered_after"] = result.after
        if not self.shared.schedule.is_at_work:
            # What it would not have sent by itself; a recording commands it again.
            detail["told"] = True
        entry = self.shared.journal.append(
            self.party,
            "exchange",
            peer="flexibility_provider",
            sent=True,
            action=said.action,
            request=request,
            response=reply,
            detail={**detail, **self.who},
        )
        sent = Sent(
            said.action,
            said.request_id or "",
            reply.status if reply else None,
            reply.phrase if reply else str(result),
            # As the journal shows it: an answer may quote its request.
            entry.response.text if reply and reply.body and entry.response else "",
            entry.number,
        )
        self._sent.append(sent, len(sent.body))
        # Unless the other side has shown already that it has it.
        if any(each is said for each in self._under_way):
            self._under_way = [each for each in self._under_way if each is not said]
            # Without an answer it may have arrived anyway.
            if sent.is_taken or sent.status is None:
                self.conversation.remember(changed(said, number=sent.entry))
        return sent

    def _heartbeats_due(self) -> float | None:
        acts = self.is_configured and self.registration.is_registered
        return self.interval if acts else None

    def _beat(self) -> None:
        # That there is no Flexibility Provider is not worth a note every time.
        with suppress(NobodyThere):
            self.heartbeat()

    def _gone(self, offline_mode_at: datetime) -> None:
        with self.lock:
            findings = self.conversation.judge_offline(offline_mode_at)
        self.shared.journal.append(
            self.party,
            "note",
            action="Heartbeat",
            findings=[finding.to_dict() for finding in findings],
            detail={
                "why": "the Flexibility Provider is offline: no heartbeat came before the time "
                "that it gave; from then on it is to keep to the fallback forecasts",
                "offline_mode_at": self.profile.write_time(offline_mode_at),
                **self.who,
            },
        )

    def _back(self, offline_mode_at: datetime) -> None:
        self.note(
            "the Flexibility Provider is back online; a new handshake is needed, and then the "
            "usual forecasts count again",
            offline_mode_at=self.profile.write_time(offline_mode_at),
        )
