"""The handbook's pictures of lifecycles are those that the tables give."""

import pytest

from tests.web.diagrams import LIFECYCLES, diagram
from tests.web.documents import LANGUAGES, handbook


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(LIFECYCLES))
def test_the_diagram_in_the_handbook_is_drawn_from_the_table(name: str, language: str) -> None:
    page = handbook(language, "how-it-works")
    _, _, rest = page.partition(f"<!-- diagram: {name} -->\n```text\n")
    drawn, _, _ = rest.partition("```")
    assert drawn == diagram(name, language), f"python -m tests.web.diagrams draws it:\n{diagram(name, language)}"
