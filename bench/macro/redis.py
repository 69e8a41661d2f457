"""A redis server filled with keys of all types, then under redis-benchmark.

The server is measured, its clients are not.  Values from 8 bytes to 4 KiB,
encodings that grow and convert, deletes among what stays: the classic of
small objects that live long.  The digest redis makes of its data set is the
output that is checked; redis-benchmark draws its keys unseeded, so only what
does not depend on them is looked at after it.
"""
import random

from . import Command, words

NEEDS = {"redis-server": "redis-server", "redis-benchmark": "redis-tools"}


def resp(*parts):
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        data = str(part).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


def prepare(here, small):
    r = random.Random(11)
    w = words(12, 2000)
    n = 6000 if small else 24000
    with open(here / "load.resp", "wb") as f:
        for i in range(n):
            size = int(r.paretovariate(0.9) * 8) % 4096 + 8
            f.write(resp("SET", f"s:{r.randrange(n)}", "v" * size))
            f.write(resp("HSET", f"h:{r.randrange(n // 8)}", r.choice(w),
                         r.choice(w) * r.randint(1, 6)))
            f.write(resp("RPUSH", f"l:{r.randrange(n // 20)}", r.choice(w)))
            f.write(resp("ZADD", f"z:{r.randrange(n // 50)}",
                         r.randrange(10000), r.choice(w)))
            f.write(resp("SADD", f"t:{r.randrange(n // 50)}", r.choice(w)))
            if i % 3 == 0:
                f.write(resp("DEL", f"s:{r.randrange(n)}"))
            if i % 5 == 0:
                f.write(resp("APPEND", f"s:{r.randrange(n)}", r.choice(w)))


def command(here, small):
    n = 20000 if small else 60000
    client = f"""
        tries=0
        until redis-cli -s ./s ping >/dev/null 2>&1; do
            tries=$((tries + 1)); [ $tries -lt 1000 ] || exit 1; sleep 0.005
        done
        redis-cli -s ./s --pipe <'{here}/load.resp' | tail -n 1
        redis-cli -s ./s debug digest
        redis-benchmark -s ./s -q -P 16 -c 20 -n {n} -r 20000 -d 120 \
            -t set,get,lpush,sadd,hset,zadd >bench.txt || exit 1
        redis-cli -s ./s llen mylist
        redis-cli -s ./s config get maxmemory-policy
    """
    return Command(["redis-server", "--port", "0", "--unixsocket", "./s",
                    "--save", "", "--appendonly", "no", "--logfile", "log",
                    "--enable-debug-command", "yes"], client=client)
