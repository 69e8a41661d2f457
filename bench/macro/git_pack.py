"""git pack-objects with two threads: search for deltas all over again.

Two threads inflate, index and compare objects, keep a window of them each,
and hand the results to each other.  Which deltas are found depends on who is
first, so the check is on the set of objects in the pack.
"""
import subprocess

from . import Command, history

NEEDS = {"git": "git"}


def prepare(here, small):
    history.make(here, 120 if small else 300, 40)


def command(here, small):
    return Command(["git", "--git-dir", str(here / "repo"), "pack-objects",
                    "-q", "--revs", "--no-reuse-delta", "--no-reuse-object",
                    "--no-use-bitmap-index", "--threads=2", "--window=30",
                    "--depth=50", "--stdout", "--all"])


def digest(output, ran_in):
    index = ran_in / "index"
    subprocess.run(["git", "index-pack", "-o", index, output], check=True,
                   stdout=subprocess.DEVNULL, cwd=ran_in)
    with open(index, "rb") as f:
        listing = subprocess.run(["git", "show-index"], stdin=f, check=True,
                                 capture_output=True, text=True).stdout
    return " ".join(sorted(line.split()[1] for line in listing.splitlines())
                    ).encode()
