"""The floors: what aiohttp and one lookup cost, without anything that a Beacon needs.

A   ``GET /a/KIND/ID`` finds one document by an index and answers in a few bytes
B   ``POST /b`` with ``KIND SIZE ID,ID...`` finds the same documents as a page of records, and sends as many bytes

Variants lie in the collection ``floor`` as any Beacon would keep them, one document each with its identifiers,
position, bases and annotation: those of the first ``MOST`` alleles, which is where floors are asked. Those of pages
that list carriers lie in ``floor_carried`` with their ``caseLevelData``, as the reference implementation keeps them:
what is sent has to be found.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pymongo import AsyncMongoClient

MOST = 200_000
_FILLER = b"x" * 4_000_000
CARRIED = "carried"
"""The kind of variants with case-level data."""
COLLECTIONS = {"variant": "floor", CARRIED: "floor_carried"}
_CLIENT = web.AppKey("client", AsyncMongoClient)


async def make_app(uri: str, database: str, pool_size: int) -> web.Application:
    """Make the bare server over a database that holds one segment."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(uri, maxPoolSize=pool_size)
    db = client[database]
    dataset = await db["datasets"].find_one({})
    assert dataset is not None, "a floor needs the site's data"
    segment = dataset["segments"][0]["id"]
    alleles = {kind: db[name] for kind, name in COLLECTIONS.items()}
    records = db["records"]

    async def one(request: web.Request) -> web.Response:
        if request.match_info["kind"] == "variant":
            found = await alleles["variant"].find_one({"_id": request.match_info["id"]})
        else:
            found = await records.find_one({"s": segment, "k": "individual", "i": request.match_info["id"]})
        body = b'{"exists":true}' if found else b'{"exists":false}'
        return web.Response(body=body, content_type="application/json")

    async def page(request: web.Request) -> web.Response:
        body = await request.read()
        kind, size, ids = body.decode().split(" ")
        if kind in alleles:
            where: dict[str, Any] = {"_id": {"$in": ids.split(",")}}
            found = [document async for document in alleles[kind].find(where)]
        else:
            where = {"s": segment, "k": "individual", "i": {"$in": ids.split(",")}}
            found = [document async for document in records.find(where)]
        headers = {"X-Found": str(len(found))}
        return web.Response(body=_FILLER[: int(size)], content_type="application/json", headers=headers)

    async def close(app: web.Application) -> None:
        await client.close()

    app = web.Application()
    app.add_routes([web.get("/a/{kind}/{id}", one), web.post("/b", page)])
    app.on_cleanup.append(close)
    return app
