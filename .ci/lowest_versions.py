"""Print a constraints file with the lowest version that pyproject.toml allows of everything the package needs.

`pip install -c lowest.txt '.[test]'` then tries what is promised; no second list can go stale.
"""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
    found = re.match(r"([\w.-]+)(?:\[.+?\])?>=([\d.]+)", requirement)
    if found is None:
        sys.exit(f"{requirement!r} in pyproject.toml states no lowest version.")
    sys.stdout.write(f"{found[1]}=={found[2]}\n")
