"""People who log in at a certified OpenID provider, with visas signed by another origin: what each gets to see."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, cast

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from authlib.oauth2.rfc6750.errors import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pymongo import MongoClient

from beacon.app import create_app
from beacon.auth.oidc import Verifier
from beacon.auth.policy_file import policy_from_toml
from beacon.errors import Unauthenticated
from beacon.model.access import Person, Principal
from beacon.settings import Issuer, SiteSettings
from beacon.store.admin import Admin
from beacon.store.mongo import MongoStore
from tests.provider.broker import CLIENT, SECRET, Broker, running_broker
from tests.visas import GRANT, VisaOrigin, running_origin
from tests.world import Facts, Load, Packet, write

BEACON, BY_CLIENT = "https://beacon.example", "https://portal.example"
DATABASE = "test_provider"
PEOPLE = ("bona-fide-with-grant", "bona-fide", "logged-in", "grant-expired")
POLICIES = {
    "open": 'level = "public"\ngranularity = {stranger = "boolean", registered = "count", granted = "record"}\n',
    "researchers": 'level = "registered"\nthreshold = 0\ngranularity = {registered = "count", granted = "record"}\n',
    "granted": f'level = "controlled"\ngranularity = {{granted = "record"}}\nvisas = ["{GRANT}"]\n',
    "other": 'level = "controlled"\ngranularity = {granted = "record"}\nvisas = ["https://dac.example/datasets/8"]\n',
}
DUE: dict[str | None, dict[str, str]] = {
    None: {"open": "boolean"},
    "logged-in": {"open": "boolean"},
    "bona-fide": {"open": "count", "researchers": "count"},
    "grant-expired": {"open": "count", "researchers": "count"},
    "bona-fide-with-grant": {"open": "count", "researchers": "count", "granted": "record"},
}
STYLES = ("userinfo", "exchange", "client")


@dataclass(frozen=True, slots=True)
class Setting:
    """The provider, the origin of visas, the site's settings by the way that visas come, and a database."""

    broker: Broker
    origin: VisaOrigin
    issuers: dict[str, Issuer]
    store: MongoStore

    def verifier(self, style: str) -> Verifier:
        visas = (self.origin.settings(subjects_of=self.broker.issuer),)
        return Verifier((self.issuers[style],), beacon_id="test.site", visa_issuers=visas)

    async def token(self, person: str, style: str = "userinfo", **more: Any) -> str:
        return await self.broker.login(person, BY_CLIENT if style == "client" else BEACON, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def setting(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Setting]:
    secret = tmp_path_factory.mktemp("secrets") / "beacon.secret"
    secret.write_text(f"{SECRET}\n")
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(running_origin())
        expired = origin.visa("grant-expired", claims={"exp": int(time.time()) - 1})
        origin.people = {
            "bona-fide-with-grant": [*origin.registered("bona-fide-with-grant"), origin.visa("bona-fide-with-grant")],
            "bona-fide": origin.registered("bona-fide"),
            "grant-expired": [*origin.registered("grant-expired"), expired],
        }
        purposes = {"bona-fide": ["DUO:0000042"]}
        broker = await stack.enter_async_context(running_broker(origin.url, (BEACON, BY_CLIENT), purposes))
        stack.callback(_fill(mongo_uri))
        store = await MongoStore.open(mongo_uri, DATABASE)
        stack.push_async_callback(store.close)
        known = Issuer(broker.issuer, (BEACON,), visas="userinfo", purpose_claim="research_purpose")
        exchange = replace(known, visas="exchange", client_id=CLIENT, client_secret_file=secret)
        by_client = replace(known, audiences=("portal",), audience="client")
        yield Setting(broker, origin, dict(zip(STYLES, (known, exchange, by_client), strict=True)), store)


def _fill(uri: str) -> Any:
    """Make the datasets; return what drops them."""
    term = ("phenotypicFeatures.featureType", "HP:0001250")
    with Admin.open(uri, DATABASE) as admin:
        for dataset, text in POLICIES.items():
            admin.create_dataset(dataset, policy=policy_from_toml(text))
            people = (Packet(f"{dataset}-{number}", Facts(frozenset({term}))) for number in range(6))
            write(admin, dataset, Load(tuple(people)))

    def drop() -> None:
        with MongoClient[dict[str, object]](uri) as client:
            client.drop_database(DATABASE)

    return drop


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("style", STYLES)
async def test_everybody_sees_what_is_their_due_and_no_more(setting: Setting, style: str) -> None:
    verifier = setting.verifier(style)
    app = create_app(SiteSettings(id="test.site"), setting.store, verifier)
    server = TestServer(app)
    await server.start_server()
    url = str(server.make_url("/api/individuals?includeResultsetResponses=ALL"))
    async with aiohttp.ClientSession() as session:
        for person, due in DUE.items():
            headers = {"Authorization": f"Bearer {await setting.token(person, style)}"} if person else {}
            async with session.get(url, headers=headers) as response:
                answer = orjson.loads(await response.read())
            seen = {one["id"]: one["info"]["returnedGranularity"] for one in answer["response"]["resultSets"]}
            assert seen == due, person
    await server.close()
    await verifier.close()


async def test_visas_make_principals_and_what_is_ignored_is_told(setting: Setting) -> None:
    verifier = setting.verifier("userinfo")
    made: dict[str, Principal] = {}
    for person in PEOPLE:
        made[person] = await verifier.principal(f"Bearer {await setting.token(person)}")
        assert made[person].person == Person(setting.broker.issuer, person)
    assert {name: (one.bona_fide, bool(one.grants())) for name, one in made.items()} == {
        "bona-fide-with-grant": (True, True), "bona-fide": (True, False), "logged-in": (False, False),
        "grant-expired": (True, False),
    }  # fmt: skip
    assert [(one.reason, one.type) for one in made["grant-expired"].ignored] == [("expired", "ControlledAccessGrants")]
    assert made["bona-fide"].purpose == {"DUO:0000042"}
    await verifier.close()


async def test_the_provider_is_asked_once_for_each_token(setting: Setting) -> None:
    verifier = setting.verifier("userinfo")
    token = await setting.token("bona-fide")
    assert (await verifier.principal(f"Bearer {token}")).bona_fide
    await setting.broker.revoke(token)  # asked again, it would refuse
    assert (await verifier.principal(f"Bearer {token}")).bona_fide
    assert len(await verifier.passport(f"Bearer {token}")) == 2
    await verifier.close()


async def test_a_token_that_its_issuer_has_revoked_is_refused(setting: Setting) -> None:
    verifier = setting.verifier("userinfo")
    token = await setting.token("bona-fide")
    await setting.broker.revoke(token)
    with pytest.raises(Unauthenticated, match="no longer accepted"):
        await verifier.principal(f"Bearer {token}")
    await verifier.close()


async def test_each_style_of_audience_refuses_the_tokens_of_the_other(setting: Setting) -> None:
    for style, other in (("userinfo", "client"), ("client", "userinfo")):
        verifier = setting.verifier(style)
        with pytest.raises(Unauthenticated, match="audience"):
            await verifier.principal(f"Bearer {await setting.token('bona-fide', other)}")
        await verifier.close()


async def test_a_scope_that_is_needed_must_be_there(setting: Setting) -> None:
    issuer = replace(setting.issuers["userinfo"], scopes=("openid", "ga4gh_passport_v1"))
    verifier = Verifier((issuer,), beacon_id="test.site")
    assert (await verifier.principal(f"Bearer {await setting.token('logged-in')}")).person
    with pytest.raises(Unauthenticated, match="scope"):
        await verifier.principal(f"Bearer {await setting.token('logged-in', scope='openid')}")
    await verifier.close()


async def test_without_the_scope_there_is_no_passport(setting: Setting) -> None:
    verifier = setting.verifier("userinfo")
    principal = await verifier.principal(f"Bearer {await setting.token('bona-fide', scope='openid')}")
    assert (principal.visas, principal.bona_fide) == ((), False)
    await verifier.close()


class Oracle(JWTBearerTokenValidator):  # type: ignore[misc]
    """Authlib's validator of RFC 9068 access tokens, which knows nothing of ours."""

    def __init__(self, issuer: str, keys: dict[str, Any]) -> None:
        super().__init__(issuer=issuer, resource_server=BEACON)
        self.keys = KeySet.import_key_set(cast("Any", keys))

    def get_jwks(self) -> KeySet:
        return self.keys

    def accepts(self, token: str) -> bool:
        try:
            self.validate_token(self.authenticate_token(token), None, None)
        except (InvalidTokenError, InsufficientScopeError, JoseError, ValueError):
            return False
        return True


def changed(token: str, part: int, **members: Any) -> str:
    """A token with other members in its header (0) or claims (1), under the old signature."""
    parts = token.split(".")
    held = orjson.loads(urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    parts[part] = urlsafe_b64encode(orjson.dumps(held | members)).decode().rstrip("=")
    return ".".join(parts)


async def test_an_independent_validator_says_the_same_of_every_token(setting: Setting) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{setting.broker.issuer}/jwks") as response:
        oracle = Oracle(setting.broker.issuer, orjson.loads(await response.read()))
    verifier = setting.verifier("userinfo")
    good = [await setting.token(person) for person in PEOPLE]
    token = good[0]
    head, claims, signature = token.split(".")
    bad = {
        "another audience": await setting.token("bona-fide", "client"),
        "another person": changed(token, 1, sub="bona-fide"),
        "a later end": changed(token, 1, exp=int(time.time()) + 86_400),
        "another issuer": changed(token, 1, iss="https://elsewhere.example"),
        "no algorithm": f"{changed(token, 0, alg='none').split('.')[0]}.{claims}.",
        "a symmetric algorithm": changed(token, 0, alg="HS256"),
        "another key": changed(token, 0, kid="of nobody"),
        "another type": changed(token, 0, typ="JWT"),
        "a signature cut short": f"{head}.{claims}.{signature[:-8]}",
        "a signature of another": f"{head}.{claims}.{good[1].rpartition('.')[2]}",
        "no signature": f"{head}.{claims}.",
    }
    for one in good:
        assert oracle.accepts(one)
        assert (await verifier.principal(f"Bearer {one}")).person
    for what, one in bad.items():
        assert not oracle.accepts(one), what
        with pytest.raises(Unauthenticated):
            await verifier.principal(f"Bearer {one}")
    await verifier.close()
