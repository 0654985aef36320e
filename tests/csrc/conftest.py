"""What the tests of csrc share."""

from collections.abc import Callable
from typing import Any

import ahead
import pytest


@pytest.fixture(scope="module")
def defective(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Give what `with_defect(name)` of the file builds. All of those that its test of planted defects asks for are built ahead."""
    return ahead.outcomes(request, ["test_planted_defects_are_found"], "name", request.module.with_defect)
