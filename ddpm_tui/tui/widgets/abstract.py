"""Abstract methods for Textual's widgets and screens: a class that lacks one cannot be made. Knows none of ours."""

from typing import Any, Self


class Abstract:
    """The same as `abc.ABC`, without its metaclass: Textual's classes have one of their own."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        missing = [
            name for name in dir(cls) if getattr(getattr(cls, name, None), "__isabstractmethod__", False)
        ]
        if missing:
            raise TypeError(f"{cls.__name__} is abstract: it lacks {', '.join(missing)}")
        return super().__new__(cls)
