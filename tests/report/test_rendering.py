import pytest

from jaxcnn import InputError
from jaxcnn.report.rendering import write_page


def test_an_unwritable_page_raises(tmp_path):
    with pytest.raises(
        InputError, match=r"page.html cannot be written \(No such file or directory\): give another --output"
    ):
        write_page("base.html", {}, tmp_path / "nowhere" / "page.html")
