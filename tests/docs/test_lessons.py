from documents import ROOT
from lessons import link_pages

LESSONS = sorted((ROOT / "experiments" / "chapter").glob("section_*.py"))


def test_a_link_to_a_lesson_becomes_a_reference_to_its_page():
    text = "[4.1](section_4_01_convolution.py) and [the\n# book](https://d2l.ai)"
    assert (
        link_pages(text) == "{doc}`4.1 </tutorials/chapter/section_4_01_convolution>` and [the\n# book](https://d2l.ai)"
    )


def test_every_link_to_a_lesson_becomes_a_reference():
    assert any("](section_" in lesson.read_text(encoding="utf-8") for lesson in LESSONS)
    assert [lesson.name for lesson in LESSONS if "](section_" in link_pages(lesson.read_text(encoding="utf-8"))] == []
