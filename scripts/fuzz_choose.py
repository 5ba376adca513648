#!/usr/bin/env python3
"""Chooses the inputs of a corpus: those that reach most together, the small ones first where several reach as much.

    fuzz_choose.py SEEN MOST DIRECTORY

SEEN is the control file of a libFuzzer merge: how many inputs, how many of them stood in the first directory, their
paths; then for each "STARTED number bytes" and "FT number place place ...". At most MOST inputs are copied into
DIRECTORY, under the hash of what they hold, as libFuzzer names them.
"""

import hashlib
import pathlib
import sys


def read(path):
    """Of each input: its path, its bytes, and the places that it reaches."""
    lines = pathlib.Path(path).read_text().splitlines()
    paths = lines[2 : 2 + int(lines[0])]
    sizes, places = {}, {}
    for line in lines[2 + len(paths) :]:
        kind, number, *rest = line.split()
        if kind == "STARTED":
            sizes[int(number)] = int(rest[0])
        elif kind == "FT":
            places[int(number)] = {int(place) for place in rest}
    return [(paths[number], sizes[number], found) for number, found in sorted(places.items())]


def chosen(inputs, most):
    """One after the other, the input that reaches most of what none before it reached."""
    left, reached = list(inputs), set()
    while left and most > 0:
        left = [one for one in left if not one[2] <= reached]
        if not left:
            return
        best = max(left, key=lambda one: (len(one[2] - reached), -one[1], one[0]))
        reached |= best[2]
        most -= 1
        yield best[0]


def main():
    seen, most, directory = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    directory.mkdir()
    for path in chosen(read(seen), most):
        data = pathlib.Path(path).read_bytes()
        (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
