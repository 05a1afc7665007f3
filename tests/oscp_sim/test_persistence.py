"""What a registered system keeps over a restart: whole, for its owner alone, never half written."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oscp_send.testing import json_values, texts
from oscp_sim.keep import StateFile, StateFileError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "a-token-that-nobody-may-see"
STATE: dict[tuple[int, str, int], dict[str, Any]] = {
    (42, "capacity_provider", 3): {
        "flexibility_provider_url": "https://fp.example/oscp/fp/2.0",
        "flexibility_provider_token": SECRET,
        "tokens": [f"{SECRET}-too"],
        "settings": {"heartbeat_interval": 60, "measurement_configuration": ["CONTINUOUS"]},
        "registered": True,
    },
    (42, "capacity_optimizer", 1): {"registered": False, "flexibility_provider_token": None},
    (7, "capacity_provider", 3): {},
}


def refused(path: Path, content: str | bytes) -> str:
    """Return what is said of a file's content, without any secret."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StateFileError) as caught:
        StateFile(path).read()
    assert SECRET not in str(caught.value)
    # What it came from could quote the file in a traceback.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "seats.json"
    StateFile(path).write(STATE)
    assert StateFile(path).read() == StateFile(str(path)).read() == STATE


def test_nothing_was_saved_yet(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "seats.json").read() == {}
    StateFile(tmp_path / "seats.json").write({})
    assert StateFile(tmp_path / "seats.json").read() == {}


@given(
    seats=st.dictionaries(
        st.tuples(
            st.integers(1, 2**63 - 1),
            st.sampled_from(["capacity_provider", "capacity_optimizer"]),
            st.integers(1, 2**63 - 1),
        ),
        st.dictionaries(texts(), json_values(), max_size=4),
        max_size=5,
    )
)
def test_any_values_come_back(
    tmp_path_factory: pytest.TempPathFactory, seats: dict[tuple[int, str, int], dict[str, Any]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    StateFile(path).write(seats)
    assert StateFile(path).read() == seats


@pytest.mark.parametrize("before", [None, 0o644, 0o666, 0o400])
def test_the_file_is_its_owners_alone(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "seats.json"
    if before is not None:
        path.write_text("old")
        path.chmod(before)
    umask = os.umask(0)
    try:
        StateFile(path).write(STATE)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["seats.json"]


def test_the_file_is_never_readable_for_others_nor_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seats.json"
    StateFile(path).write({(1, "capacity_provider", 1): {}})
    seen: list[tuple[int, bytes]] = []

    def synced(file: int) -> None:
        found = os.fstat(file)
        seen.append((stat.S_IMODE(found.st_mode), path.read_bytes()))
        assert found.st_ino != path.stat().st_ino

    monkeypatch.setattr(os, "fsync", synced)
    before = path.read_bytes()
    StateFile(path).write(STATE)
    assert seen == [(0o600, before)]


def test_a_failure_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seats.json"
    StateFile(path).write(STATE)

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateFileError) as caught:
        StateFile(path).write({})
    assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert StateFile(path).read() == STATE
    assert [each.name for each in tmp_path.iterdir()] == ["seats.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "seats.json"
    link.symlink_to(tmp_path / "elsewhere" / "real.json")
    StateFile(link).write(STATE)
    assert link.is_symlink()
    assert StateFile(tmp_path / "elsewhere" / "real.json").read() == STATE


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no" / "seats.json"
    with pytest.raises(StateFileError) as caught:
        StateFile(path).write(STATE)
    assert str(caught.value) == f"{path}: cannot be written: No such file or directory"
    assert StateFile(path).read() == {}


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), float("inf"), b"x"])
def test_what_is_not_json_is_refused_by_name(tmp_path: Path, value: object) -> None:
    path = tmp_path / "seats.json"
    with pytest.raises(StateFileError) as caught:
        StateFile(path).write({(42, "capacity_provider", 3): {"token": SECRET, "odd": value}})
    assert str(caught.value) == (
        f'{path}: cannot be written: "odd" of capacity_provider 3 of user 42 is not a JSON value'
    )
    assert not path.exists()


def document(**changes: object) -> str:
    entry = {"user": 42, "kind": "capacity_provider", "id": 3, "remembered": {"token": SECRET}}
    return json.dumps({"version": 1, "seats": [{**entry, **changes}]})


REMEDY = "give the file that was written here, or remove it and register again"
UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", ":1:1: is not JSON"),
    "cut off": (document()[:-3], f":1:{len(document()) - 2}: is not JSON"),
    "a word": (f'{{"token":\n {SECRET}}}', ":2:2: is not JSON"),
    "not UTF-8": (b'{"a":"\xff"}', ":1:7: is not JSON"),
    "a list": ("[]", ": has an unknown version, expected version 1"),
    "no version": ('{"seats": []}', ": has an unknown version, expected version 1"),
    "a newer version": ('{"version": 2, "seats": []}', ": has version 2, expected version 1"),
    "a true version": ('{"version": true, "seats": []}', ": has version True, expected version 1"),
    "a secret version": (
        json.dumps({"version": SECRET}),
        ": has an unknown version, expected version 1",
    ),
    "no seats": ('{"version": 1}', ": /seats is not a list"),
    "seats by name": ('{"version": 1, "seats": {}}', ": /seats is not a list"),
    "a seat of a kind": ('{"version": 1, "seats": [7]}', ": /seats/0 is not an object"),
    "a user as text": (document(user=SECRET), ": /seats/0/user is missing or unusable"),
    "a user that is true": (document(user=True), ": /seats/0/user is missing or unusable"),
    "no kind": (document(kind=None), ": /seats/0/kind is missing or unusable"),
    "an id with a fraction": (document(id=3.5), ": /seats/0/id is missing or unusable"),
    "nothing remembered": (
        document(remembered=[SECRET]),
        ": /seats/0/remembered is missing or unusable",
    ),
}


@pytest.mark.parametrize(("content", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_not_ours(tmp_path: Path, content: str | bytes, expected: str) -> None:
    path = tmp_path / "seats.json"
    assert refused(path, content) == f"{path}{expected}: {REMEDY}"


def test_a_seat_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "seats.json"
    twice = json.loads(document())
    twice["seats"] *= 2
    assert refused(path, json.dumps(twice)) == f"{path}: /seats/1 is a duplicate: {REMEDY}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StateFileError) as caught:
        StateFile(tmp_path).read()
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory"


@given(st.binary(max_size=60))
def test_anything_else_is_an_error_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "odd.json"
    assert refused(path, content).startswith(f"{path}:")
