"""jq parsing, grouping and printing JSON.

Reference-counted values: each number, string and array of the input is a
block, copied on write and freed in another order.
"""
import json
import random

from . import Command, words

NEEDS = {"jq": "jq"}

PROGRAM = """
group_by(.sub.a) | map({a: .[0].sub.a, n: length,
  tags: (map(.tags) | add | unique | length),
  best: (max_by(.p) | .name),
  text: (map(.name | ascii_upcase) | sort | .[0:5] | join("/"))})
"""


def prepare(here, small):
    r = random.Random(31)
    w = words(32, 3000)
    rows = [{"id": i, "name": " ".join(r.choices(w, k=3)),
             "tags": r.choices(w, k=5), "p": r.randrange(10 ** 9),
             "sub": {"a": r.randint(1, 99),
                     "b": [r.randint(1, 9) for _ in range(6)]}}
            for i in range(6000 if small else 18000)]
    (here / "in.json").write_text(json.dumps(rows))


def command(here, small):
    return Command(["jq", "-c", PROGRAM, str(here / "in.json")])
