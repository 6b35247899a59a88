"""Print a command of README.md, found between its two comment lines, so that CI and README can never differ."""

import re
import sys
from pathlib import Path

name = re.escape(sys.argv[1])
text = Path(__file__).parents[1].joinpath("README.md").read_text(encoding="utf-8")
found = re.findall(rf"<!-- {name} -->\n```bash\n(.+?)\n```\n<!-- end of {name} -->", text, flags=re.DOTALL)
if len(found) != 1:
    sys.exit(f"README.md must hold exactly one command between the lines of '{sys.argv[1]}', found {len(found)}.")
sys.stdout.write(found[0] + "\n")
