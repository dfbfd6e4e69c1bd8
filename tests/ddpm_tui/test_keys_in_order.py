"""Any sequence of keys comes to the same in one packet as one at a time; paste, mouse and sizes between them too."""

import asyncio
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ddpm_tui.packets import EVERY_KEY, click, key, make_home, outcome, packets, paste

pytestmark = pytest.mark.slow

EXAMPLES = 5
MANY = int(os.environ.get("DDPM_SOAK", "0"))
"""Of other ones each time; `make soak` only."""
_number = itertools.count()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home") / "ddpm")


def spelled(words: str) -> list[bytes]:
    """ "t good ⏎" as keys: blanks separate, a word that is no key is typed letter by letter."""
    signs = {"⌫": "backspace", "⏎": "enter", "↓": "down", "↑": "up", "⇥": "tab", "esc": "escape", "␣": "space",
             "⇤": "shift+tab", "home": "home", "end": "end"}  # fmt: skip
    found: list[bytes] = []
    for word in words.split():
        found += [key(signs[word])] if word in signs else [letter.encode() for letter in word]
    return found


def compare(home: Path, tokens: list, cuts: list[bool]) -> None:
    sent = packets(tokens, cuts)
    at = home.parent
    slow = asyncio.run(outcome(home, at / f"a{next(_number)}", tokens))
    fast = asyncio.run(outcome(home, at / f"b{next(_number)}", sent, slow))
    if any(isinstance(token, tuple) for token in tokens):
        # How far a list is scrolled depends on the sizes that it had on its way; where its cursor is does not.
        del slow["text"]
    for name, value in slow.items():
        assert fast[name] == value, f"{name} after {sent}"


@pytest.mark.parametrize(
    "words",
    [
        "2 / ab ⌫ c",
        "5 ⏎ ⌫ ⌫ 64 ↓ ↓ ↓ 5",
        "3 t good ⏎ t ⌫⌫⌫⌫ best ⏎ u",
        "2 a ⏎ x u ␣ ⇥ J K G k ␣",
        "2 s ⇥ ⌫⌫ 8 ⇥ 3 ⏎ 3 b ⇥ ⌫ ⌫ 5 esc 1 2",
        "3 d u d u R ⌫ 9 esc ⇥ ↓ ␣ ↑ c ⇤",
        "4 ⏎ ↓ l esc 6 ␣ ↓ ␣ V v c + i 0 esc 1 c i l l",
        "5 n ⌫ x ⏎ / mine ⏎ d u esc ? esc 2 / x esc a esc",
    ],
)
def test_what_ssh_bunched(home: Path, words: str) -> None:
    compare(home, spelled(words), [False])


def test_pastes_clicks_and_sizes_between(home: Path) -> None:
    tokens = [key("3"), key("t"), paste("bet"), b"\x7f", (80, 24), b"s", b"t", key("enter"), click(5, 1)]
    tokens += [click(20, 6), key("down"), (120, 40), key("2"), key("slash"), paste("a b"), key("backspace")]
    compare(home, tokens, [False])


TYPED = ("12", "good ⏎", "⌫ ⌫ 64 ↓", "/ ab ⌫ c ⏎", "t ab ⏎", "esc", "a ⏎", "5 ⏎", "↓ ↓ ⏎", "6 ␣ ↓ ␣")
tokens = st.one_of(
    st.sampled_from([key(name) for name in EVERY_KEY]).map(lambda one: [one]),
    st.sampled_from(TYPED).map(spelled),
    st.sampled_from([[paste("x1")], [click(3, 5)], [click(30, 1)], [(80, 24)], [(140, 45)]]),
)


any_sequence = given(
    st.lists(tokens, min_size=6, max_size=14), st.lists(st.booleans(), min_size=5, max_size=5)
)
patient = settings(suppress_health_check=list(HealthCheck))


@settings(patient, max_examples=EXAMPLES, derandomize=True)
@any_sequence
def test_any_sequence(home: Path, drawn: list, cuts: list[bool]) -> None:
    compare(home, [token for piece in drawn for token in piece], cuts)


@pytest.mark.skipif(not MANY, reason="make soak")
@pytest.mark.timeout(60 * MANY)
@settings(patient, max_examples=MANY or 1)
@any_sequence
def test_many_sequences(home: Path, drawn: list, cuts: list[bool]) -> None:
    compare(home, [token for piece in drawn for token in piece], cuts)
