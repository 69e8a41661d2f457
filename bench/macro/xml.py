"""libxml2 parsing a document, searching it, and printing it indented.

A document becomes a tree of small nodes and strings, all from malloc, all
freed at the end.
"""
import random

from . import Command, words

NEEDS = {"xmllint": "libxml2-utils"}


def prepare(here, small):
    r = random.Random(41)
    w = words(42, 3000)
    with open(here / "in.xml", "w") as f:
        f.write("<catalogue>\n")
        for i in range(14000 if small else 45000):
            tags = "".join(f"<tag>{x}</tag>"
                           for x in r.choices(w, k=r.randint(0, 5)))
            f.write(f'<item id="i{i}" kind="{r.choice("abcdef")}">'
                    f'<name>{" ".join(r.choices(w, k=3))}</name>'
                    f'<price currency="EUR">{r.randint(1, 9999)}</price>'
                    f'{tags}<note>{" ".join(r.choices(w, k=r.randint(3, 30)))}'
                    "</note></item>\n")
        f.write("</catalogue>\n")


def command(here, small):
    return Command(["xmllint", "--nodict", "--format", "--noblanks",
                    str(here / "in.xml")])
