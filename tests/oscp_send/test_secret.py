"""Secrets: kept, compared, and never shown."""

from __future__ import annotations

import copy
import pickle

import pytest

from oscp_send.settings import Secret

HIDDEN = "hunter2-\u00fc"


def test_a_secret_is_revealed_only_on_request() -> None:
    secret = Secret(HIDDEN)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", "%s" % secret]  # noqa: UP031 - one more way to show it
    assert not any("hunter2" in text for text in shown)
    assert secret.reveal() == HIDDEN
    assert Secret(secret).reveal() == HIDDEN


def test_secrets_are_compared_by_their_text() -> None:
    assert Secret(HIDDEN) == Secret(HIDDEN)
    assert Secret(HIDDEN) != Secret("other")
    assert Secret(HIDDEN) != HIDDEN
    assert len({Secret(HIDDEN), Secret(HIDDEN)}) == 1


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(HIDDEN))
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(Secret(HIDDEN))
