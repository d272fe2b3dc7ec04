"""The OpenAPI document as a page for people: one file, nothing from elsewhere, no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib import resources
from typing import Any
from urllib.parse import quote

import orjson

Json = Mapping[str, Any]

_STYLE = resources.files("beacon.http").joinpath("pages.css").read_text("utf-8")
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""The page's Content-Security-Policy: its own style, and nothing else."""


def page(document: Json) -> str:
    """Return the HTML page of an OpenAPI document as ``beacon.http.openapi`` makes it."""
    about, base = document["info"], document["servers"][0]["url"]
    body = [
        f"<header><h1>{escape(about['title'])}</h1><p class=sub>{escape(about['summary'])} · "
        f"<code>{escape(base)}</code> · <a href='openapi.json'>OpenAPI document</a></p>"
        f"<p>{escape(about['description'])}</p></header>",
        "<nav>",
        *(f"<a href='#{_anchor(tag['name'])}'>{escape(tag['name'])}</a>" for tag in document["tags"]),
        "<a href='#parameters'>Parameters</a><a href='#statuses'>Statuses</a><a href='#schemas'>Schemas</a>",
        "</nav><main>",
    ]
    for tag in document["tags"]:
        body.append(f"<section id='{_anchor(tag['name'])}'><h2>{escape(tag['name'])}</h2>")
        body.append(f"<p>{escape(tag['description'])}</p>")
        for path, item in document["paths"].items():
            if next(iter(item.values()))["tags"] == [tag["name"]]:
                body += _path(base, path, item)
        body.append("</section>")
    body += _parameters(document["components"]["parameters"].values())
    body += _statuses(document["components"]["responses"])
    body += _schemas(document["components"]["schemas"])
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content='width=device-width, "
        f"initial-scale=1'><title>{escape(about['title'])}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(body)
        + "</main></body></html>\n"
    )


def _anchor(name: str) -> str:
    return quote(name.lower().replace(" ", "-"))


def _path(base: str, path: str, item: Json) -> Iterator[str]:
    methods = "".join(f"<b class={method}>{method.upper()}</b>" for method in item)
    first = next(iter(item.values()))
    yield f"<details><summary>{methods} <code>{escape(path)}</code> <span>{escape(first['summary'])}</span></summary>"
    get, post = item.get("get", {}), item.get("post")
    if names := [row for row in get.get("parameters", ()) if "name" in row]:
        yield "".join(f"<p><code>{{{escape(row['name'])}}}</code> {escape(row['description'])}</p>" for row in names)
    if listed := [row["$ref"].rpartition("/")[2] for row in get.get("parameters", ()) if "$ref" in row]:
        yield "<p>Parameters: " + ", ".join(f"<a href='#p-{name}'>{name}</a>" for name in listed) + "</p>"
    filled = path.replace("{id}", "…")
    test = "?testMode=true" if "testMode" in listed else ""
    yield f"<pre>curl '{escape(base + filled + test)}'</pre>"
    if post is not None:
        content = post["requestBody"]["content"]["application/json"]
        name = content["schema"]["$ref"].rpartition("/")[2]
        example = orjson.dumps(content["examples"]["test"]["value"]).decode()
        yield f"<p>By POST with a body: {_link(name)}</p>"
        yield (
            f"<pre>curl '{escape(base + filled)}' -H 'Content-Type: application/json' \\\n"
            f"  -d '{escape(example)}'</pre>"
        )
    result = get["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    others = ", ".join(f"<a href='#s-{status}'>{status}</a>" for status in get["responses"] if status != "200")
    yield f"<p>Answers: 200 {_link(result)}; or {others}.</p></details>"


def _link(name: str) -> str:
    return f"<a href='#c-{escape(name)}'>{escape(name)}</a>"


def _parameters(rows: Iterable[Json]) -> Iterator[str]:
    yield "<section id=parameters><h2>Parameters</h2><p>Of every question by GET. Lists are joined by commas, or the "
    yield "parameter is given several times; by POST the same names stand in the body.</p><table>"
    for row in rows:
        yield (
            f"<tr id='p-{escape(row['name'])}'><th><code>{escape(row['name'])}</code></th>"
            f"<td>{escape(row['description'])}</td><td class=kind>{escape(_kind(row['schema']))}</td></tr>"
        )
    yield "</table></section>"


def _kind(described: Json) -> str:
    if "enum" in described:
        return ", ".join(map(str, described["enum"]))
    if described.get("type") == "array":
        return f"list of {_kind(described['items'])}"
    kind = described.get("type", "")
    return str(kind) if isinstance(kind, str) else " or ".join(kind)


def _statuses(rows: Json) -> Iterator[str]:
    yield "<section id=statuses><h2>Statuses</h2><table>"
    for status, row in rows.items():
        yield f"<tr id='s-{status}'><th>{status}</th><td>{escape(row['description'])}</td></tr>"
    yield "</table></section>"


def _schemas(rows: Json) -> Iterator[str]:
    yield "<section id=schemas><h2>Schemas</h2>"
    for name, described in rows.items():
        text = escape(orjson.dumps(described, option=orjson.OPT_INDENT_2).decode())
        title = escape(str(described.get("title", "")))
        yield (
            f"<details id='c-{escape(name)}'><summary><code>{escape(name)}</code> <span>{title}</span></summary>"
            f"<pre>{text}</pre></details>"
        )
    yield "</section>"
