#!/usr/bin/env python3
"""Writes the labelled days beside this file, and the demonstration province. Deterministic; standard library only.

    make_days.py            write everything
    make_days.py --check    make everything again in memory and compare; exit 1 where a file differs
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True

from generator import busy, counter, demo, late  # noqa: E402

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "demo"
FOLDERS = {HERE / "counter": counter, HERE / "late": late, HERE / "busy": busy, DEMO: demo}


def differences(folder, files):
    """What on disk is not as it would be written, stale files of the same kinds included."""
    there = {path.name for kind in ("*.csv", "*.jsonl") for path in folder.glob(kind)}
    stale = [folder / name for name in sorted(there - set(files))]
    differ = [
        folder / name
        for name, text in files.items()
        if name not in there or (folder / name).read_text(encoding="utf-8") != text
    ]
    return stale + differ


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for path in differences(folder, files):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def main(arguments):
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    wrong = []
    for folder, story in FOLDERS.items():
        files = story.told()
        if arguments:
            wrong += differences(folder, files)
        else:
            write(folder, files)
    for path in wrong:
        print(f"{path} is not what make_days.py writes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
