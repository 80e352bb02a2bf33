"""Words and phrases that the text for users does not contain; each has a plain word instead."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    path
    for pattern in (
        "README.md",
        "docs/**/*.md",
        "jaxcnn/**/*.py",
        "jaxcnn/**/*.html",
        "experiments/**/*.py",
        "tests/README.md",
    )
    for path in ROOT.glob(pattern)
)

BANNED = {
    r"what cannot be": "invalid ...",
    r"\btold\b": "given, logged, printed",
    r"\btaken for\b": "predicted as",
    r"\b(goes|gone|going) on with\b|\bgoes on from\b": "resumes, resumed",
    r"\bgo(es)? on (to|regardless)\b": "continues",
    r"\bof (its|one's|their) own\b": "its own ..., your own ...",
    r"\bat home\b": "(say it plainly)",
    r"\bbesides\b": "also, in addition",
    r"\b(likeliest|surest)\b": "most probable, most confident",
    r"\breplicas?\b": "member, ensemble",
    r"\bin turn\b": "sequential",
    r"\b(lie|lies) (in|on|at|there|below|beside)\b": "is, are",
    r"\b(mended|mends)\b|\bmend (it|that|this)\b": "solve, repair",
    r"\banew\b": "again",
    r"\bcarr(y|ied|ies) out\b": "train, run",
    r"\bwhole number\b": "integer",
    r"\bas it were\b|\bwhereof\b|\btherein\b|\bthereof\b": "(say it plainly)",
    r"\b(optimis|initialis|normalis|summaris|recognis)\w*": "American spelling",
    r"\b(colours?|grey|licence|neighbours?|centre)\b": "American spelling",
}


@pytest.mark.parametrize("phrase", BANNED)
def test_no_text_has_a_banned_phrase(phrase):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(phrase, line, re.IGNORECASE)
    ]
    assert not found, f"write '{BANNED[phrase]}' instead:\n" + "\n".join(found)


def test_the_texts_are_found():
    names = {path.name for path in TEXTS}
    assert {"README.md", "app.py", "page.html", "section_4_05_lenet.py"} <= names
