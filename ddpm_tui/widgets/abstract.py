"""Abstract methods for Textual's widgets and screens: a class that lacks one cannot be made. Knows none of ours."""

from abc import ABCMeta

from textual.message_pump import _MessagePumpMeta


class AbstractMeta(_MessagePumpMeta, ABCMeta):
    """Textual's metaclass and that of `abc`, which Python wants as one."""
