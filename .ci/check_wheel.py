"""Refuse a wheel that is too large, lacks a file of the package, or holds anything else."""

import sys
import zipfile
from pathlib import Path

MAX_BYTES = 15_000_000
NEEDED = {
    "scbert_tools/py.typed",
    "scbert_tools/pretrained/pbmc/model.safetensors",
    "scbert_tools/pretrained/pbmc/card.md",
}
ROOT = Path(__file__).parents[1]

wheel = Path(sys.argv[1])
packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
wanted = NEEDED | {
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "scbert_tools").rglob("*")
    if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
}
if packed != wanted:
    sys.exit(f"{wheel.name} lacks {sorted(wanted - packed)} and should not hold {sorted(packed - wanted)}.")
if wheel.stat().st_size > MAX_BYTES:
    sys.exit(f"{wheel.name} has {wheel.stat().st_size:,} bytes, at most {MAX_BYTES:,} are allowed.")
sys.stdout.write(f"{wheel.name}: {len(packed)} files, {wheel.stat().st_size:,} bytes\n")
