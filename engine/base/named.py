"""Tables of names: each name stands in one table, and what it names is found from there. Imports nothing heavy."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Literal, TypeVar

from engine.base.errors import unknown

Line = TypeVar("Line")


def load(reference: str) -> Any:
    """The object that "module:name" names; its module is imported at this call, and not before.

    Raises ImportError or AttributeError if there is none.
    """
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def names_of(names: Iterable[str]) -> Any:
    """`Literal[…]` of the names of a table, for pydantic and for everything that lists the choices of a key.

    A type checker cannot follow it: give it `str` behind `TYPE_CHECKING`.
    """
    return Literal[tuple(names)]


def pick(table: Mapping[str, Line], kind: str, name: str) -> Line:
    """The line of a name. Raises UserError, with the nearest name, for one that is not in the table.

    kind: what the table holds, in the singular: "sampler".
    """
    try:
        return table[name]
    except (KeyError, TypeError):
        raise unknown(kind, str(name), table) from None
