"""Who counts as the same asker at a member: whoever comes to it with the same credentials."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from joserfc.jwk import ECKey
from yarl import URL

from beacon.auth.assertion import signed
from beacon.model.access import Granularity, Level, Person, Principal
from network.credentials import Behalf, Exchanger, Signer
from network.memory import STRANGER
from network.registry import Member

KEY = ECKey.generate_key("P-256")
SIGNER = Signer(KEY, "test.network", 60, Exchanger(()))
MEMBER = Member("a", "A", URL("https://a.example/api"), "aud.a")
ROSA = Behalf(Principal(Person("https://login.example", "rosa")), account="rosa", token="first")


def visa(value: str) -> str:
    return signed(KEY, "JWT", orjson.dumps({"ga4gh_visa_v1": {"type": "ControlledAccessGrants", "value": value}}))


def test_strangers_are_one_and_so_is_everybody_for_whom_nothing_goes_along() -> None:
    assert SIGNER.asker(MEMBER, Behalf(account="address 192.0.2.1")) == STRANGER
    assert replace(SIGNER, vouching=False).asker(MEMBER, ROSA) == STRANGER


def test_a_person_is_the_same_asker_in_every_question_and_login() -> None:
    later = replace(ROSA, hop=b"another question", token="second", account="elsewhere")
    later = replace(later, principal=replace(ROSA.principal, purpose=frozenset({"DUO:0000042"})))
    assert SIGNER.asker(MEMBER, ROSA) == SIGNER.asker(MEMBER, later) != STRANGER


@pytest.mark.parametrize(
    "principal",
    [
        replace(ROSA.principal, person=Person("https://login.example", "noor")),
        replace(ROSA.principal, person=Person("https://other.example", "rosa")),
        replace(ROSA.principal, node="other.network"),
        replace(ROSA.principal, ceiling=Level.REGISTERED),
        replace(ROSA.principal, max_granularity=Granularity.COUNT),
    ],
)
def test_other_people_and_other_limits_are_other_askers(principal: Principal) -> None:
    assert SIGNER.asker(MEMBER, ROSA) != SIGNER.asker(MEMBER, replace(ROSA, principal=principal))


def test_visas_make_another_asker_of_a_person_where_they_go_alone() -> None:
    wanted = replace(MEMBER, visas=frozenset({"https://a.example/d"}))
    granted = replace(ROSA, visas=(visa("https://a.example/d"),))
    others = replace(ROSA, visas=(visa("https://b.example/d"),))
    assert SIGNER.asker(wanted, ROSA) == SIGNER.asker(wanted, others) != SIGNER.asker(wanted, granted)
    assert SIGNER.asker(MEMBER, ROSA) == SIGNER.asker(MEMBER, granted)


def test_where_a_persons_token_is_exchanged_another_one_is_another_asker() -> None:
    exchanging = replace(MEMBER, exchange=True)
    assert SIGNER.asker(exchanging, ROSA) != SIGNER.asker(exchanging, replace(ROSA, token="with other rights"))
