"""The table in the terminal."""
import os

from .summary import TITLES


class Style:
    def __init__(self, colour):
        self.colour = colour

    def bold(self, text):
        if self.colour:
            return f"\033[1m{text}\033[0m"
        return f"*{text.strip()}*".rjust(len(text))

    def dim(self, text):
        return f"\033[2m{text}\033[0m" if self.colour else text


def style_for(out):
    return Style(out.isatty() and "NO_COLOR" not in os.environ)


def _cell(ratios, alloc, best, style, width):
    if alloc not in ratios or ratios[alloc] is None:
        return "-".rjust(width)
    text = f"{ratios[alloc].value:.2f}".rjust(width)
    return style.bold(text) if alloc == best else text


def _against(one):
    if not one.against_peer:
        return ""
    r = one.against_peer
    out = f"{r.value:.2f}"
    if r.low is not None:
        out += f" [{r.low:.2f} {r.high:.2f}]"
    return f"{out} {one.best_peer}"


def _header(first, names, last, style, width):
    return style.dim(first.ljust(width[0]) + "".join(
        n.rjust(width[1]) for n in names) + ("   " + last if last else ""))


def means_table(results, means, style):
    names = results.allocators
    width = (28, max(9, max(map(len, names)) + 2))
    last = "quarry / best peer" if any(m.against_peer for m in means) else ""
    out = [_header("geometric mean, libc = 1", names, last, style, width)]
    for m in means:
        title = f"{m.group} {TITLES[m.kind]} ({m.workloads})"
        cells = "".join(_cell(m.ratios, a, m.best, style, width[1])
                        for a in names)
        tail = _against(m)
        out.append(title.ljust(width[0]) + cells +
                   ("   " + tail if tail else ""))
    if means and all(r is None or r.low is None
                     for m in means for r in m.ratios.values()):
        out.append(style.dim("one block per workload: no intervals"))
    return out


def rows_table(results, rows, group, kind, style):
    """One line per item of a group and kind that counts."""
    names = results.allocators
    some = [r for r in rows if r.item.group == group and
            r.item.kind == kind and r.item.counts]
    if not some:
        return []
    labels = [r.item.label.split("/", 1)[1] for r in some]
    width = (max(28, max(map(len, labels)) + 1),
             max(9, max(map(len, names)) + 2))
    last = "quarry / best peer" if any(r.against_peer for r in some) else ""
    out = [_header(f"{group}: {TITLES[kind]}", names, last, style, width)]
    for label, r in zip(labels, some):
        cells = "".join(_cell(r.ratios, a, r.best, style, width[1])
                        for a in names)
        tail = _against(r)
        out.append(label.ljust(width[0]) + cells +
                   ("   " + tail if tail else ""))
    return out


def behind_table(rows, style, limit=12):
    """Where the subject is furthest behind the best of the others."""
    some = [r for r in rows if r.item.counts and r.against_peer and
            r.against_peer.value > 1.05]
    some.sort(key=lambda r: -r.against_peer.log)
    if not some:
        return []
    title = f"furthest behind the best peer ({len(some)} above 1.05)"
    return [style.dim(title)] + [
        f"{r.item.label} {r.item.metric}"[:52]
        .ljust(53) + _against(r) for r in some[:limit]]


def failures(results):
    out = []
    for (workload, alloc), why in sorted(results.failures().items()):
        total = sum(r["workload"] == workload and r["alloc"] == alloc
                    for r in results.runs)
        out.append(f"FAILED {len(why)} of {total}: {workload} under {alloc}: "
                   f"{why[0]}")
    return out


def skips(results):
    return [f"left out {s['what']}: {s['why']}" for s in results.skips]


def no_time(results):
    """Workloads that never had their turn."""
    ran = set(results.workloads)
    never = sorted({w for w, _ in (results.end or {}).get("left_out", [])
                    if w not in ran})
    return ["no time was left for " + ", ".join(never)] if never else []


def notes(results):
    other, stolen = results.disturbance()
    out = []
    if other > 0.1 or stolen > 0.02:
        out.append(f"the machine was not idle: others used {other:.2f} CPUs "
                   f"and {stolen:.2f} were stolen while runs went on")
    out += no_time(results)
    if results.machine["cpus"] < 2:
        out.append("one CPU: what threads do to each other is not seen")
    return out


def full(results, rows, means, style):
    out = []
    for group, kind in (("macro", "time"), ("macro", "rss")):
        one = rows_table(results, rows, group, kind, style)
        out += one + [""] if one else []
    out += means_table(results, means, style) + [""]
    behind = behind_table(rows, style)
    out += behind + [""] if behind else []
    return out + failures(results) + skips(results) + notes(results)


def compare_table(changes, base, style):
    """@changes of summary.compare()"""
    out = [style.dim(f"{'ratio to ' + base + ', now / before':<54}"
                     f"{'allocator':>12}{'change':>9}   95 % interval")]
    for row, alloc, r in changes:
        interval = "" if r.low is None else f"[{r.low:.3f} {r.high:.3f}]"
        sure = r.low is not None and (r.low > 1 or r.high < 1)
        text = f"{r.value:9.3f}"
        label = f"{row.item.label} {row.item.metric}"[:53]
        out.append(f"{label:<54}{alloc:>12}"
                   f"{style.bold(text) if sure else text}   {interval}")
    return out
