import pytest

from jaxcnn import InputError
from jaxcnn.report.rendering import write_page


def test_a_page_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"page.html cannot be written \(No such file or directory\): give another --out"
    ):
        write_page("base.html", {}, tmp_path / "nowhere" / "page.html")
