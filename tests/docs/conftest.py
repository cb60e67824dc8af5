"""What makes the pages of the site is imported as Sphinx does it: from the folder of the pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
