"""Mutual TLS towards a real Capacity Provider, with a client certificate from the world file."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from oscp_sim import Simulator, load_world
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.yaml_source import SourceError
from tests.oscp_sim.rig import ADD, Provider, ask, encoded, instruction, signed_headers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oscp_sim.instructions import Instruction


@dataclass
class Certificates:
    """Two authorities: the system's, and the one by which it knows its clients."""

    of_systems: trustme.CA
    of_clients: trustme.CA
    client: trustme.LeafCert
    other: trustme.LeafCert

    @property
    def key(self) -> bytes:
        return self.client.private_key_pem.bytes()


@pytest.fixture(scope="module")
def made() -> Certificates:
    systems, clients = trustme.CA(), trustme.CA()
    return Certificates(
        systems,
        clients,
        clients.issue_cert("flexibility-provider.example"),
        trustme.CA().issue_cert("flexibility-provider.example"),
    )


@contextmanager
def demanding(
    made: Certificates, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
) -> Iterator[Provider]:
    """A real Capacity Provider that speaks with nobody who shows no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.of_systems.issue_cert("127.0.0.1").configure_cert(context)
    made.of_clients.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    # By 1.3 it says why it lets nobody in when that one believes to be in already.
    context.maximum_version = version
    with Provider(tls=context) as provider:
        yield provider


WORLD = """
users:
  - id: 42
    tokens: [{id: rehearsal-token-0001, secret: rehearsal-secret, type: User}]
    nodes: [1]
    capacity_providers:
      - id: 3
        name: Grid
        token: cp-token
        base_url: URL
        client_certificate: {certificate: tls/client.pem, key: tls/client.key}
        certificate_authority: tls/ca.pem
    capacity_optimizers: [{id: 1, name: Depot}]
    capacity_groups: [{id: 19, identifier: foo-group, capacity_provider: 3, capacity_optimizer: 1}]
"""


def written(folder: Path, made: Certificates, url: str = "https://grid.example/oscp") -> Path:
    (folder / "tls").mkdir()
    (folder / "tls" / "client.pem").write_bytes(made.client.cert_chain_pems[0].bytes())
    (folder / "tls" / "client.key").write_bytes(made.key)
    (folder / "tls" / "ca.pem").write_bytes(made.of_systems.cert_pem.bytes())
    world = folder / "world.yaml"
    world.write_text(WORLD.replace("URL", url))
    return world


def delivered(simulator: Simulator) -> Instruction:
    body = encoded(instruction())
    ask(simulator, "POST", ADD, signed_headers("POST", ADD, body, when=datetime.now(UTC)), body)
    assert simulator.settle(20)
    (row,) = simulator.shared.instructions.find(lambda _: True)
    return row


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_system_that_demands_a_certificate_is_shown_it(
    made: Certificates, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    with (
        demanding(made, version) as provider,
        Simulator(written(tmp_path, made, provider.url)) as simulator,
    ):
        assert delivered(simulator).state == "Completed"
        assert len(provider.asked) == 1
        kept = "\n".join(str(each.to_dict()) for each in simulator.journal.entries())
        shown = f"{kept}{simulator.world}{simulator.world.summary()}"
    assert "PRIVATE KEY" not in shown
    assert "client.key" not in shown


def test_the_scheme_may_be_written_in_any_case(made: Certificates, tmp_path: Path) -> None:
    with demanding(made) as provider:
        url = provider.url.replace("https:", "HTTPS:")
        with Simulator(written(tmp_path, made, url)) as simulator:
            assert delivered(simulator).state == "Completed"


@pytest.mark.parametrize(
    ("left_out", "why"),
    [
        ("client_certificate", "Received fatal alert: handshake_failure"),
        ("certificate_authority", "PKIX path building failed: "),
    ],
)
def test_without_its_half_of_the_certificates_nothing_is_delivered(
    made: Certificates, tmp_path: Path, left_out: str, why: str
) -> None:
    with demanding(made) as provider:
        world = written(tmp_path, made, provider.url)
        lines = world.read_text().splitlines()
        world.write_text("\n".join(each for each in lines if left_out not in each))
        with Simulator(world) as simulator:
            row = delivered(simulator)
        assert row.state == "Declined"
        assert why in str(row.result)
        assert provider.asked == []


def test_another_certificate_than_the_system_knows_is_refused(
    made: Certificates, tmp_path: Path
) -> None:
    with demanding(made) as provider:
        world = written(tmp_path, made, provider.url)
        (tmp_path / "tls" / "client.pem").write_bytes(made.other.cert_chain_pems[0].bytes())
        (tmp_path / "tls" / "client.key").write_bytes(made.other.private_key_pem.bytes())
        with Simulator(world) as simulator:
            assert "Received fatal alert: " in str(delivered(simulator).result)


def test_the_files_of_a_world_within_a_scenario_are_beside_it(
    made: Certificates, tmp_path: Path
) -> None:
    written(tmp_path, made)
    text = "scenario: a\nworld:\n" + WORLD.replace("URL", "https://h").replace("\n", "\n  ")
    (tmp_path / "a.yaml").write_text(f"{text}\nsteps: [{{wait: 1s}}]\n")
    (scenario,) = load_scenarios([tmp_path / "a.yaml"])
    assert scenario.world
    (provider,) = scenario.world.users[0].capacity_providers
    assert provider.certificate_authority == tmp_path / "tls" / "ca.pem"


def locked(key: bytes) -> bytes:
    private = load_pem_private_key(key, None)
    return private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a-password")
    )


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        (
            "client.pem",
            None,
            ":11:43: FOLDER/tls/client.pem: no such file or directory; give a PEM",
        ),
        (
            "client.key",
            None,
            ":11:64: FOLDER/tls/client.key: no such file or directory; give a PEM",
        ),
        ("ca.pem", None, ":12:32: FOLDER/tls/ca.pem: no such file or directory; give a PEM file, "),
        ("client.pem", b"x", ":11:43: there is no certificate in it: give a PEM file, with a line"),
        ("client.key", b"x", ":11:64: there is no private key in it: give a PEM file, with a line"),
        ("client.key", "other", ":11:64: it is not the key of FOLDER/tls/client.pem: give the two"),
        ("client.key", "locked", ":11:64: the key needs a password: write it without one, as open"),
        ("client.key", b"-----BEGIN PRIVATE KEY-----\nx", ":11:64: it cannot be used with FOLDER/"),
        ("ca.pem", b"x", ":12:32: there is no certificate in it: give a PEM file, with a line 'BE"),
        ("ca.pem", b"-----BEGIN CERTIFICATE-----\nx", ":12:32: FOLDER/tls/ca.pem cannot be used: "),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_place(
    made: Certificates, tmp_path: Path, file: str, content: bytes | str | None, complaint: str
) -> None:
    world = written(tmp_path, made)
    path = tmp_path / "tls" / file
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_bytes(
            made.other.private_key_pem.bytes() if content == "other" else locked(made.key)
        )
    with pytest.raises(SourceError) as caught:
        load_world(world)
    assert str(caught.value).startswith(f"{world}{complaint.replace('FOLDER', str(tmp_path))}")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("url", ["http://grid.example/oscp", "''"])
def test_without_an_https_url_certificates_have_no_effect(
    made: Certificates, tmp_path: Path, url: str
) -> None:
    with pytest.raises(SourceError) as caught:
        load_world(written(tmp_path, made, url))
    assert [each.message for each in caught.value.problems] == [
        f'"{key}" has no effect without a base_url that begins with https://'
        for key in ("client_certificate", "certificate_authority")
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://grid.example/oscp", True),
        ("https://grid.example/oscp/handshake", True),
        ("https://grid.example/oauth/token", True),
        ("https://grid.example:8443/oscp", False),
        ("https://other.example/oscp", False),
        ("http://grid.example/oscp", False),
    ],
)
def test_they_hold_for_all_of_a_server_and_for_no_other(
    made: Certificates, tmp_path: Path, url: str, expected: bool
) -> None:
    assert bool(load_world(written(tmp_path, made)).secured(url)) is expected


def test_of_two_systems_on_a_server_each_has_its_own(made: Certificates, tmp_path: Path) -> None:
    world = load_world(written(tmp_path, made))
    (user,) = world.users
    (first,) = user.capacity_providers
    second = replace(first, id=4, base_url="https://grid.example/oscp/second/")
    both = replace(world, users=(replace(user, capacity_providers=(first, second)),))
    assert both.secured("https://grid.example/oscp/second/handshake") == second
    assert both.secured("https://grid.example/oscp/seconds") == first


def test_a_simulated_system_may_have_them_for_a_seat(made: Certificates, tmp_path: Path) -> None:
    world = written(tmp_path, made)
    world.write_text(world.read_text().replace("        base_url: https://grid.example/oscp\n", ""))
    assert load_world(world).users[0].capacity_providers[0].client_certificate
