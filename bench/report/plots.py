"""The plots of the report, each one an SVG picture."""
from . import svg
from .svg import SERIES, Linear, Log, Places, esc, short


def colour(place):
    return f"s{place % SERIES}"


def legend(names):
    """HTML: what colour and shape each allocator has."""
    out = []
    for place, name in enumerate(names):
        key = svg.element("svg", svg.mark(place, 12, 7, "m " + colour(place)) +
                          svg.line(1, 7, 23, 7, "l " + colour(place)),
                          viewBox="0 0 24 14", width=24, height=14)
        out.append(f"<span>{key} {esc(name)}</span>")
    return f'<p class="legend">{"".join(out)}</p>'


def figures(ratio):
    text = f"{ratio.value:.3f}"
    if ratio.low is not None:
        text += f" [{ratio.low:.3f} to {ratio.high:.3f}]"
    return text


# Ratios with their intervals.

_LEFT, _WIDTH, _TOP, _BOTTOM = 200, 860, 26, 10


def _ratio_scale(rows):
    """Wide enough for every ratio; intervals may be cut off."""
    values = [r.value for _, ratios in rows for r in ratios.values()]
    low = max(min(values + [1]) / 1.12, 1 / 256)
    high = min(max(values + [1]) * 1.12, 256)
    return Log(min(low, 0.8), max(high, 1.25), _LEFT, _WIDTH - 20)


def _interval(x, ratio, y, class_):
    """A whisker; one that leaves the picture ends in an arrow head."""
    left = max(x(ratio.low), x.start) if ratio.low > 0 else x.start
    right = min(x(ratio.high), x.end)
    out = svg.line(left, y, right, y, "w " + class_)
    if left == x.start:
        out += svg.path([(left + 4, y - 3), (left, y), (left + 4, y + 3)],
                        "w " + class_)
    if right == x.end:
        out += svg.path([(right - 4, y - 3), (right, y), (right - 4, y + 3)],
                        "w " + class_)
    return out


def ratios(title, rows, names, base):
    """@rows: [(label, {allocator: Ratio})].  The base is the line at 1."""
    shown = [n for n in names if n != base]
    pitch = 8 * len(shown) + 9
    height = _TOP + pitch * len(rows) + _BOTTOM
    x = _ratio_scale(rows)
    out = []
    for tick in x.ticks():
        if abs(tick - 1) > 1e-9:
            out.append(svg.line(x(tick), _TOP, x(tick), height - _BOTTOM,
                                "grid"))
        out.append(svg.text(x(tick), _TOP - 8, f"{tick:.3g}", "middle"))
    out.append(svg.line(x(1), _TOP, x(1), height - _BOTTOM, "one"))
    for i, (label, row) in enumerate(rows):
        top = _TOP + i * pitch
        out.append(svg.line(4, top, _WIDTH - 4, top, "rule"))
        out.append(svg.text(_LEFT - 10, top + pitch / 2 + 4, label, "end",
                            "label"))
        for k, name in enumerate(shown):
            if name in row:
                out.append(_point(x, row[name], top + 8.5 + 8 * k,
                                  names.index(name), f"{label}: {name}"))
    return ('<div class="wide ratios">' +
            svg.picture(_WIDTH, height, "".join(out), title) + "</div>")


def _point(x, ratio, y, place, label):
    out = ""
    if ratio.low is not None:
        out = _interval(x, ratio, y, colour(place))
    at = min(max(x(ratio.value), x.start), x.end)
    return out + svg.mark(place, at, y, "m " + colour(place),
                          f"{label} {figures(ratio)}")


# Curves.

def curves(title, lines, x, y, marks=False):
    """@lines: [(place or None, name, [(x, y)])]; @x and @y: (label, scale
    class).  None is a line of the workload itself, not of an allocator."""
    width, height, left, right, bottom = 430, 250, 54, 412, 40
    xs = [p[0] for _, _, points in lines for p in points]
    ys = [p[1] for _, _, points in lines for p in points]
    x_scale = _scale(x[1], xs, left, right)
    y_scale = _scale(y[1], ys, height - bottom, 24)
    out = [svg.text(left - 46, 14, y[0], class_="unit"),
           svg.text(right, height - 6, x[0], "end", "unit")]
    for tick in y_scale.ticks():
        at = y_scale(tick)
        out.append(svg.line(left, at, right, at, "grid"))
        out.append(svg.text(left - 6, at + 4, short(tick), "end"))
    for tick in x_scale.ticks():
        out.append(svg.text(x_scale(tick), height - bottom + 16,
                            f"{tick:g}", "middle"))
    for place, name, points in lines:
        class_ = "live" if place is None else colour(place)
        at = [(x_scale(a), y_scale(b)) for a, b in points]
        out.append(svg.path(at, "l " + class_, name))
        if marks and place is not None:
            out += [svg.mark(place, px, py, "m " + class_,
                             f"{name}: {short(b)} at {a:g}")
                    for (px, py), (a, b) in zip(at, points)]
    return (f"<figure><figcaption>{esc(title)}</figcaption>"
            f"{svg.picture(width, height, ''.join(out), title)}</figure>")


def _scale(kind, values, start, end):
    if kind is Places:
        return Places(sorted(set(values)), start, end)
    if kind is Log:
        positive = [v for v in values if v > 0] or [1]
        return Log(min(positive) / 1.1, max(positive) * 1.1, start, end)
    return Linear(0, max(values + [0]) * 1.03 or 1, start, end)
