"""CPython building, serialising and dropping objects, as it comes.

CPython takes memory for small objects in arenas of its own and asks malloc
for the rest: lists, dicts, strings above 512 bytes.  See python3_malloc for
the same work with every object from malloc.
"""
from . import Command

NEEDS = {"/usr/bin/python3": "python3"}

SCRIPT = '''
import collections, hashlib, json, random, re, sys

n = int(sys.argv[1])
r = random.Random(5)
alphabet = "abcdefghijklmnopqrstuvwxyz"
vocabulary = ["".join(r.choices(alphabet, k=r.randint(2, 9)))
              for _ in range(2000)]

class Order:
    def __init__(self, number, lines):
        self.number, self.lines = number, lines
        self.notes = " ".join(r.choices(vocabulary, k=r.randint(1, 60)))

orders = {i: Order(i, [(r.choice(vocabulary), r.random())
                       for _ in range(r.randint(1, 9))]) for i in range(n)}
for _ in range(3):
    for i in r.sample(sorted(orders), n // 3):
        del orders[i]
    for i in range(n // 3):
        k = r.randrange(10 ** 6)
        orders[k] = Order(k, [(r.choice(vocabulary), i)] * r.randint(1, 30))
text = json.dumps([[o.number, o.lines, o.notes]
                   for _, o in sorted(orders.items())])
back = json.loads(text)
count = collections.Counter()
for _, lines, notes in back:
    count.update(re.findall(r"[a-m]+", notes))
    count.update(w for w, _ in lines)
rows = [" ".join(sorted(set(b[2].split()))) for b in back]
rows.sort(key=lambda s: (len(s), s))
parts = b"".join(bytes(x % 251 for x in range(k % 700)) for k in range(n // 9))
print(len(text), len(count), count.most_common(5))
print(hashlib.sha256("".join(rows).encode() + parts).hexdigest())
'''


def prepare(here, small):
    (here / "work.py").write_text(SCRIPT)


def command(here, small):
    n = 4000 if small else 16000
    return Command(["/usr/bin/python3", "-I", "-S", "-B",
                    str(here / "work.py"), str(n)])
