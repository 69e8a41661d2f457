"""cppcheck reading C++ that was written by hand: its own kind of food.

Tokens in a doubly linked list, each with strings and small sets, made and
dropped by the hundred thousand.
"""
from . import Command, cxx

NEEDS = {"cppcheck": "cppcheck"}


def prepare(here, small):
    text = cxx.source(40 if small else 150)
    text = "\n".join(x for x in text.splitlines() if not x.startswith("#"))
    (here / "unit.cpp").write_text(text)


def command(here, small):
    return Command(["cppcheck", "--enable=style", "--quiet", "--inconclusive",
                    "--template={line}:{id}", "--language=c++",
                    "--output-file=/dev/stdout", str(here / "unit.cpp")])
