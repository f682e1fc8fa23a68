"""The handbook's picture of the lifecycle is the one that the table gives."""

import pytest

from tests.registration.diagram import diagram
from tests.web.documents import LANGUAGES, handbook


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_diagram_in_the_handbook_is_drawn_from_the_table(language: str) -> None:
    page = handbook(language, "how-it-works")
    _, _, rest = page.partition("<!-- diagram: application -->\n```text\n")
    drawn, _, _ = rest.partition("```")
    assert drawn == diagram(language), f"python -m tests.registration.diagram draws it:\n{diagram(language)}"
