"""What is left out is counted and named by kind."""

from engine.data.left_out import LeftOut


def test_counts_by_kind_with_the_first_example() -> None:
    left = LeftOut()
    assert not left
    for number in range(40):
        left.add(".heic", f"{number}.heic")
    left.add("dead links", "a.jpg")
    left.add("masks", "masks/1.png", 12)
    assert left.total == 53
    assert left.in_words() == ".heic 40, masks 12, dead links 1"
    assert [kind.example for kind in left] == ["0.heic", "masks/1.png", "a.jpg"]
    assert list(LeftOut.from_json(left.to_json())) == list(left)


def test_merging_and_many_kinds() -> None:
    left, other = LeftOut(), LeftOut()
    left.add(".txt", "a.txt")
    other.add(".txt", "b.txt", 2)
    for number in range(9):
        other.add(f".x{number}", f"a.x{number}")
    left.merge(other)
    assert left.in_words(most=3) == ".txt 3, .x0 1, others 8"
    assert left.total == 12
