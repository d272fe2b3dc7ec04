"""Fitting records into shapes: what is a shape, and how shapes of objects and lists are made of others.

What does not fit and cannot be put right is taken out, told of, and kept as it was under ``info.bff``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from loaders.elements import Json

Tell = Callable[[str, str, Any], None]
"""Told (JSON pointer, what is expected there, the value) of whatever is taken out."""


class Misfit(Exception):
    """A value that is not of its shape; the argument is a noun phrase for what is expected."""


Shape = Callable[["Fitter", Any, str], Any]
"""Returns a value as it should be; the last argument is its JSON pointer. Raises ``Misfit``."""


@dataclass(slots=True)
class Fitter:
    """Fits records; ``taken_out`` collects what was, of one record."""

    tell: Tell
    taken_out: Json = field(default_factory=dict)

    def fit(self, shape: Shape, record: Any) -> Json:
        """Return a record of this shape. Raises ``Misfit`` where what is required is missing or wrong."""
        self.taken_out = {}
        fitted: Json = shape(self, record, "")
        if self.taken_out:
            info = fitted.get("info")
            fitted["info"] = (info if isinstance(info, dict) else {}) | {"bff": self.taken_out}
        return fitted

    def attempt(self, shape: Shape, value: Any, pointer: str) -> tuple[Any, bool]:
        """Return (fitted value, True), or take it out and return (None, False)."""
        try:
            return shape(self, value, pointer), True
        except Misfit as error:
            self.tell(pointer, str(error), value)
            self.taken_out[pointer] = value
            return None, False


def thing(
    required: Mapping[str, Shape], optional: Mapping[str, Shape], defaults: Mapping[str, Json] | None = None
) -> Shape:
    """An object. Members of no known name pass as they are; nulls and names that begin with ``_`` are left out.

    A required member that is missing or wrong makes the whole a misfit, unless there is a default for it.
    """
    shapes = {**required, **optional}
    unknown = defaults or {}

    def fit(fitter: Fitter, value: Any, pointer: str) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit("an object")
        fitted: Json = {}
        for name, member in value.items():
            if member is None or name.startswith("_"):
                continue
            shape, place = shapes.get(name), f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if shape is None:
                fitted[name] = member
            elif name in required and name not in unknown:
                fitted[name] = shape(fitter, member, place)
            else:
                found, fits = fitter.attempt(shape, member, place)
                if fits:
                    fitted[name] = found
        for name in required:
            if name not in fitted:
                if name not in unknown:
                    raise Misfit(f"an object with {name}")
                if value.get(name) is None:
                    fitter.tell(f"{pointer}/{name}", "a term; it is taken as unknown", None)
                fitted[name] = dict(unknown[name])
        return fitted

    return fit


def many(shape: Shape) -> Shape:
    """A list; elements that do not fit are taken out."""

    def fit(fitter: Fitter, value: Any, pointer: str) -> Any:
        if not isinstance(value, list):
            raise Misfit("a list")
        found = (fitter.attempt(shape, item, f"{pointer}/{index}") for index, item in enumerate(value))
        return [item for item, fits in found if fits]

    return fit


def some(shape: Shape) -> Shape:
    """A list with at least one element that fits."""
    listed = many(shape)

    def fit(fitter: Fitter, value: Any, pointer: str) -> Any:
        if found := listed(fitter, value, pointer):
            return found
        raise Misfit("a list with at least one element that is as it should be")

    return fit


def one_of(expected: str, *shapes: Shape) -> Shape:
    """The first of several shapes that fits."""

    def fit(_fitter: Fitter, value: Any, pointer: str) -> Any:
        for shape in shapes:
            quiet = Fitter(lambda *_: None)
            try:
                fitted = shape(quiet, value, pointer)
            except Misfit:
                continue
            if not quiet.taken_out:
                return fitted
        raise Misfit(expected)

    return fit


def known_only(shape: Shape, names: Collection[str]) -> Shape:
    """An object without members of other names: of a cohort or a dataset they might name people."""

    def fit(fitter: Fitter, value: Any, pointer: str) -> Any:
        fitted = shape(fitter, value, pointer)
        for name in [name for name in fitted if name not in names]:
            fitter.tell(f"{pointer}/{name}", "a member that the model has; what names nobody may stand in info", None)
            del fitted[name]
        return fitted

    return fit
