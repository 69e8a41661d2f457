"""The statistics: paired ratios, their centre, and how sure one may be.

Everything happens on logarithms, so that 'twice as fast' and 'half as fast'
weigh the same.  A block gives one ratio per allocator; the centre of a
workload's ratios is their interquartile mean: as deaf to a disturbed run as
the median, and steadier when there are few.

The interval comes from a bootstrap over blocks.  The plain percentile
interval is far too narrow for five or ten blocks, so the bootstrap gives the
standard error, corrected by n / (n - 1), and Student's t the width.  With
one block there is no interval, and none is claimed.
"""
import dataclasses
import math
import random
import statistics

REPLICATES = 400

# Student's t, two-sided 95 %, by degrees of freedom.
_T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262,
        2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093,
        2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045,
        2.042]


def t95(df):
    """For fractions of a degree of freedom, the one below: wider."""
    if df < 1:
        return _T95[0]
    if df <= len(_T95):
        return _T95[int(df) - 1]
    return 1.960 + 2.5 / df     # within 0.002 of the table's end and beyond


def centre(values):
    """Interquartile mean: a quarter of the weight is cut off at each end."""
    v = sorted(values)
    n = len(v)
    cut = n / 4
    whole = int(cut)
    if n < 3:
        return sum(v) / n
    weight = 1 - (cut - whole)
    inner = v[whole + 1:n - whole - 1]
    total = weight * (v[whole] + v[n - whole - 1]) + sum(inner)
    return total / (2 * weight + len(inner))


def quartiles(values):
    """(first quartile, median, third quartile)"""
    values = list(values)
    if len(values) == 1:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


@dataclasses.dataclass
class Ratio:
    """exp(log), with an interval when there is one."""
    log: float
    error: float        # standard error of log, or None
    df: float
    blocks: int         # how many blocks it rests on; the fewest of any part

    @property
    def value(self):
        return math.exp(self.log)

    @property
    def low(self):
        return self._end(-1)

    @property
    def high(self):
        return self._end(+1)

    def _end(self, sign):
        if self.error is None:
            return None
        return math.exp(self.log + sign * t95(self.df) * self.error)

    def record(self):
        def short(x):
            return None if x is None else float(f"{x:.5g}")
        return {"ratio": short(self.value), "low": short(self.low),
                "high": short(self.high), "blocks": self.blocks}


def log_ratios(above, below):
    """{block: log(above / below)} of the blocks that have both."""
    return {b: math.log(above[b] / below[b])
            for b in above if b in below}


def _resample(rng, blocks):
    return [rng.choice(blocks) for _ in blocks]


def _spread(draws):
    return statistics.stdev(draws) if len(draws) > 1 else None


def ratio(pairs, seed=1):
    """@pairs: {block: log ratio} -> Ratio, or None without any."""
    if not pairs:
        return None
    n = len(pairs)
    log = centre(pairs.values())
    if n < 2:
        return Ratio(log, None, 0, n)
    rng = random.Random(seed)
    blocks = sorted(pairs)
    error = _spread([centre([pairs[b] for b in _resample(rng, blocks)])
                     for _ in range(REPLICATES)])
    return Ratio(log, error * math.sqrt(n / (n - 1)), n - 1, n)


def geomean(workloads, seed=1):
    """Geometric mean over workloads of the geometric mean over their items.

    @workloads: [[{block: log ratio}, ...], ...]; the items of one workload
    come from the same runs, so one draw of blocks serves them all.  The
    workloads are taken as they are: the interval tells how well they were
    measured, not what others would show."""
    workloads = [w for w in workloads if w and all(w)]
    if not workloads:
        return None
    log = _mean(_mean(centre(i.values()) for i in w) for w in workloads)
    fewest = min(len(i) for w in workloads for i in w)
    if fewest < 2:
        return Ratio(log, None, 0, fewest)
    rng = random.Random(seed)
    variance, df = 0.0, 0
    for items in workloads:
        blocks = sorted(set().union(*items))
        error = _spread([_one_draw(items, _resample(rng, blocks))
                         for _ in range(REPLICATES)])
        n = min(len(i) for i in items)
        variance += error ** 2 * n / (n - 1)
        df += n - 1
    return Ratio(log, math.sqrt(variance) / len(workloads), df, fewest)


def _mean(values):
    values = list(values)
    return sum(values) / len(values)


def _one_draw(items, draw):
    logs = []
    for pairs in items:
        drawn = [pairs[b] for b in draw if b in pairs]
        logs.append(centre(drawn or pairs.values()))
    return _mean(logs)


def quotient(a, b):
    """a / b of two Ratios measured apart (Welch)."""
    log, blocks = a.log - b.log, min(a.blocks, b.blocks)
    if a.error is None or b.error is None:
        return Ratio(log, None, 0, blocks)
    va, vb = a.error ** 2, b.error ** 2
    if va + vb == 0:
        return Ratio(log, 0.0, min(a.df, b.df), blocks)
    df = (va + vb) ** 2 / (va ** 2 / a.df + vb ** 2 / b.df)
    return Ratio(log, math.sqrt(va + vb), df, blocks)
