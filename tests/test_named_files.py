"""Pages, docstrings and comments name files of the project: those that are there."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"(?<![\w./-])((?:[a-z_0-9]+/)+[a-z_0-9]+\.(?:py|cpp))\b")
PAGES = ("*.md", "mliap_hybrid/*.py", "training/*.py", "benchmarks/*.py")


def test_named_files_are_there():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pages = subprocess.run(["git", "ls-files", *PAGES], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ends = {"/".join(Path(name).parts[start:]) for name in listed for start in range(len(Path(name).parts))}
    missing = {
        f"{page}: {name}"
        for page in pages.split()
        if page != "CHANGELOG.md" and (ROOT / page).is_file()
        for name in NAME.findall((ROOT / page).read_text(encoding="utf-8"))
        if name not in ends
    }
    assert not missing
