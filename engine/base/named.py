"""Tables of names: each name is in one table, which leads to the object. Imports nothing heavy."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Literal, TypeVar

from engine.base.errors import unknown

Line = TypeVar("Line")


def load(reference: str) -> Any:
    """Return the object that "module:name" refers to; its module is imported only now.

    Raises ImportError or AttributeError if there is none.
    """
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def names_of(names: Iterable[str]) -> Any:
    """Return `Literal[…]` of the names of a table, for pydantic and for code that lists the choices of a key.

    A type checker cannot follow it: give it `str` under `TYPE_CHECKING`.
    """
    return Literal[tuple(names)]


def pick(table: Mapping[str, Line], kind: str, name: str) -> Line:
    """Return the entry of a name. Raises UserError, with the nearest name, if the table lacks it.

    kind: what the table contains, in the singular: "sampler".
    """
    try:
        return table[name]
    except (KeyError, TypeError):
        raise unknown(kind, str(name), table) from None
