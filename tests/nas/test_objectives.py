"""Which objectives a search can have."""

import pytest

from nas.objectives import find_objectives


@pytest.mark.parametrize(
    ("names", "message"),
    [(["speed"], "unknown objective speed; known: dice"), (["dice", "dice"], "each objective must be named once")],
)
def test_goals_that_cannot_be(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_objectives(names)
