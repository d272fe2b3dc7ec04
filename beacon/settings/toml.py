"""From a TOML file to a frozen dataclass: strict, and every refusal names the file, the key and what is allowed."""

from __future__ import annotations

import collections.abc
import difflib
import ipaddress
import tomllib
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from beacon.errors import ConfigurationError

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Rules = Mapping[type, Callable[[Any], str | None]]
"""Of some dataclasses, what is wrong with the keys of one table together, or None."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Place:
    """A key of a file, for messages: ``site.toml: listen.port``."""

    file: Path
    key: str = ""

    def child(self, name: str) -> _Place:
        return _Place(self.file, f"{self.key}.{name}" if self.key else name)

    def entry(self, index: int) -> _Place:
        return _Place(self.file, f"{self.key}[{index}]")

    def error(self, problem: str) -> ConfigurationError:
        place = f"{self.file}: {self.key}" if self.key else f"{self.file}"
        return ConfigurationError(f"{place}: {problem}.", where=self.key or str(self.file))


def load(cls: type[T], path: Path, rules: Rules) -> T:
    """Read a file as a ``cls``. Raises ``ConfigurationError``."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}).", where=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text.", where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {str(error).rstrip('.')}.", where=str(path)) from None
    return _table(cls, table, _Place(path), rules)


def _table(cls: type[T], table: Mapping[str, Any], place: _Place, rules: Rules, default: object = None) -> T:
    """Build ``cls`` from a TOML table; keys that it leaves out come from ``default``, else the class."""
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {close[0]}" if close else "allowed here are " + ", ".join(known)
            raise place.child(name).error(f"unknown key; {meant}")
    values: dict[str, Any] = {}
    for name, item in known.items():
        if name in table:
            start = item.default if default is None else getattr(default, name)
            values[name] = _value(hints[name], table[name], place.child(name), rules, start)
            _check(item.metadata, values[name], place.child(name))
        elif default is not None:
            values[name] = getattr(default, name)
        elif item.default is MISSING:
            raise place.child(name).error("is missing, and has no default")
    made = cls(**values)
    if (rule := rules.get(cls)) and (problem := rule(made)):
        raise place.error(problem)
    return made


def _check(metadata: Mapping[str, Any], value: Any, place: _Place) -> None:
    check: Callable[[Any], str | None] | None = metadata.get("check")
    if check is not None and (allowed := check(value)) is not None:
        shown = "" if metadata.get("secret") else f", not {value!r}"
        raise place.error(f"must be {allowed}{shown}")


def _value(hint: Any, value: Any, place: _Place, rules: Rules, default: object) -> Any:
    """Convert one TOML value to the annotated type."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType) and hint != IPNetwork:
        hint = next(kind for kind in get_args(hint) if kind is not type(None))  # TOML has no null
        origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise place.error(f"must be a list, not {value!r}")
        return tuple(_value(get_args(hint)[0], one, place.entry(n), rules, MISSING) for n, one in enumerate(value))
    if origin is Literal:
        if value not in get_args(hint):
            raise place.error(f"must be one of {', '.join(get_args(hint))}, not {value!r}")
        return value
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise place.error(f"must be a table, not {value!r}")
        return _table(hint, value, place, rules, None if default is MISSING else default)  # type: ignore[arg-type]
    return _SCALARS[origin or hint](value, place)


def _text(value: Any, place: _Place) -> str:
    if not isinstance(value, str) or not value.strip():
        raise place.error(f"must be a text that is not empty, not {value!r}")
    return value


def _whole(value: Any, place: _Place) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise place.error(f"must be a whole number, not {value!r}")
    return value


def _number(value: Any, place: _Place) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise place.error(f"must be a number, not {value!r}")
    return float(value)


def _path(value: Any, place: _Place) -> Path:
    text = _text(value, place)
    if "\0" in text:
        raise place.error("must be a path, without NUL characters")
    return place.file.parent.absolute() / text


def _ip_network(value: Any, place: _Place) -> IPNetwork:
    try:
        return ipaddress.ip_network(_text(value, place))
    except ValueError:
        raise place.error(f"must be an IP address or network (10.0.0.0/8), not {value!r}") from None


def _mapping(value: Any, place: _Place) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise place.error(f"must be a table, not {value!r}")
    return value


_SCALARS: Mapping[Any, Callable[[Any, _Place], Any]] = {
    str: _text,
    int: _whole,
    float: _number,
    Path: _path,
    types.UnionType: _ip_network,
    collections.abc.Mapping: _mapping,
}
