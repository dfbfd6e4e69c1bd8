"""The panes of every screen: one alone can fill the screen, and the list can be hidden."""

from typing import Any, cast

from textual.screen import Screen
from textual.widget import Widget


class Panes:
    """Comes before Screen in a class. LIST: the selector of the pane that `hide_list` hides, "" if there is none."""

    LIST = ""
    _zoomed = False

    def pane_to_zoom(self) -> Widget | None:
        """Return the pane that fills the screen; by default the focused one."""
        return cast(Screen[Any], self).focused

    def action_zoom_pane(self) -> None:
        """Fill the screen with one pane, or show all of them again."""
        screen = cast(Screen[Any], self)
        if self._zoomed:
            for name in ("-aside", "-zoomed", "-around"):
                screen.query(f".{name}").remove_class(name)
            self._zoomed = False
        else:
            node = self.pane_to_zoom()
            body = screen.query_one("#body")
            if node is None or body not in node.ancestors:
                return
            while node is not body and isinstance(node.parent, Widget):
                node.add_class("-zoomed")
                node.parent.add_class("-around")
                for other in node.parent.children:
                    other.set_class(other is not node, "-aside")
                node = node.parent
            self._zoomed = True
        screen.refresh_bindings()

    def action_hide_list(self) -> None:
        """Give the list's room to the details of its rows, or show it again."""
        screen = cast(Screen[Any], self)
        if not self.LIST:
            return
        pane = screen.query_one(self.LIST)
        hides = not pane.has_class("-hidden")
        pane.set_class(hides, "-hidden")
        focused = screen.focused
        if hides and focused is not None and (pane is focused or pane in focused.ancestors):
            screen.focus_next()
        screen.refresh_bindings()

    def offers_pane(self, key_id: str) -> bool:
        """Return whether a pane's key has an effect now; see `BaseScreen.offers`."""
        return bool(self.LIST) if key_id == "pane.hide_list" else True
