"""Where the links for listening may lead."""

import pytest

from oshiyakusho_matrix.broadcasts.links import decide_link
from oshiyakusho_matrix.core.errors import Refused


@pytest.mark.parametrize("url", ["https://zoom.us/j/1?pwd=x", "https://us02web.zoom.us/j/1", " https://ZOOM.us/j/1 "])
def test_a_link_leads_to_where_links_may(url: str) -> None:
    assert decide_link(url, ["zoom.us"]) == url.strip()


@pytest.mark.parametrize(
    "url",
    ["http://zoom.us/j/1", "https://zoom.us.example/j/1", "https://evilzoom.us/j/1", "https://zoom.us@evil.example/",
     "https://zoom.us:8443/", "https://zoom。us.evil.example/", "javascript:alert(1)", "zoom.us/j/1", "https://[zoom.us/",
     "https://zoom.us/ evil", ""],
)  # fmt: skip
def test_other_links_are_refused(url: str) -> None:
    with pytest.raises(Refused, match="leads to one of these"):
        decide_link(url, ["zoom.us"])
