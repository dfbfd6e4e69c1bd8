"""The keymap, the program's and the user's."""

from pathlib import Path

import pytest

from ddpm_tui.tui.keymap import BY_ID, SCREENS
from tests.ddpm_tui.fakes import empty, make_app
from tests.ddpm_tui.tui.test_app import screen_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[queue\n", "cannot be read"),
        ('[queue]\nad = "p"\n', "queue.ad is not an action (did you mean queue.add?)"),
        ('[queue]\nadd = "hyper+p"\n', "'hyper+p' is not a key"),
        ('[queue]\nadd = "x"\n', "'x' is already queue.cancel"),
        ("[queue]\nadd = 7\n[app]\nhelp = []\n", "(and 1 more)"),
    ],
)
async def test_a_bad_keymap_is_one_clear_notice(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "keymap.toml").write_text(text)
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.pause()
        if "7" not in text:
            assert said in screen_text(app)
        await pilot.press("2")
        await pilot.pause()
        assert app.screen.name == "queue"


def test_every_screen_has_a_key_and_every_key_a_sentence() -> None:
    assert [BY_ID[f"app.{name}"].keys for name in SCREENS] == list("1234567")
    assert all(key.help and key.label and key.keys for key in BY_ID.values())
