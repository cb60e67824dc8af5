"""Links within the repository lead to files and headings that are there."""

import re

import pytest
from extension.contents import sections
from pages import DOCS, PAGES, name_of, without_code

LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """As code-hosting pages and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    return {anchor(heading) for heading in HEADING.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    broken = []
    for target in LINK.findall(without_code(text)):
        if re.match(r"\w+:", target):
            continue
        name, _, place = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (place and place not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert not broken


def test_anchors_are_those_of_code_hosting_pages():
    assert anchor("Size and weight: `mliap-hybrid tune`") == "size-and-weight-mliap-hybrid-tune"
    assert anchor("What ML-IAP tells a model, and what it does not") == "what-ml-iap-tells-a-model-and-what-it-does-not"


def test_start_page_has_every_page():
    """Else the sidebar lacks it."""
    listed = {name for _, names in sections((DOCS / "index.md").read_text(encoding="utf-8")) for name in names}
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    examples = {f"examples/{path.stem}" for path in (DOCS / "examples").iterdir() if path.suffix in (".py", ".sh")}
    assert listed == pages | examples


def test_sidebar_has_the_headings_and_each_page_once():
    text = "# Top\n[a](a.md)\n\n## One\n- [b](b.md#place), [a](a.md)\n\n## Two\n- [b](b.md), [c](../c.md), [d](d.py)\n"
    assert sections(text) == [("One", ["b", "a"]), ("Two", ["d"])]
