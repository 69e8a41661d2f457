"""SVG without a library: elements, scales, axes.

Colours are CSS classes: .s0, .s1, ... one per allocator, see style.css.
"""
import html
import math

SERIES = 8          # colours in style.css; further allocators repeat them


def esc(text):
    return html.escape(str(text), quote=True)


def element(tag, content="", **attributes):
    """@attributes: class_ is class, a_b is a-b, numbers are rounded."""
    out = "".join(f' {k.rstrip("_").replace("_", "-")}="{_value(v)}"'
                  for k, v in attributes.items() if v is not None)
    return f"<{tag}{out}>{content}</{tag}>" if content else f"<{tag}{out}/>"


def _value(v):
    return f"{v:.1f}".rstrip("0").rstrip(".") if isinstance(v, float) else \
        esc(v)


def picture(width, height, content, title):
    return element("svg", f"<title>{esc(title)}</title>" + content,
                   viewBox=f"0 0 {width:.0f} {height:.0f}", role="img",
                   style=f"max-width:{width:.0f}px")


def text(x, y, content, anchor="start", class_=None):
    return element("text", esc(content), x=float(x), y=float(y),
                   text_anchor=anchor, class_=class_)


def line(x1, y1, x2, y2, class_):
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2),
                   y2=float(y2), class_=class_)


def path(points, class_, title=None):
    d = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return element("path", f"<title>{esc(title)}</title>" if title else "",
                   d=d, class_=class_)


class Linear:
    """From [low, high] to pixels [start, end]."""

    def __init__(self, low, high, start, end):
        self.low, self.high = low, high if high > low else low + 1
        self.start, self.end = start, end

    def _part(self, value):
        return (value - self.low) / (self.high - self.low)

    def __call__(self, value):
        return self.start + self._part(value) * (self.end - self.start)

    def ticks(self, about=5):
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [i * step for i in range(first, last + 1)]


class Log(Linear):
    """Both ends above zero."""

    def __init__(self, low, high, start, end):
        high = high if high > low else low * 2
        super().__init__(low, high, start, end)

    def _part(self, value):
        value = max(value, self.low)    # zero sits on the axis
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self, about=6):
        """Powers of ten, or finer steps where there are too few; equal ones
        where those are more."""
        decades = range(math.floor(math.log10(self.low)) - 1,
                        math.ceil(math.log10(self.high)) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
            all_ = [s * 10 ** d for d in decades for s in steps]
            out = [v for v in all_ if
                   self.low * 0.999 <= v <= self.high * 1.001]
            if len(out) >= 4:
                break
        while len(out) > about + 2:
            out = out[::2]
        equal = super().ticks(about) if self.high < 4 * self.low else []
        return equal if len(equal) > len(out) else out


class Places:
    """Named places at equal distances."""

    def __init__(self, names, start, end):
        self.names = list(names)
        self.start, self.end = start, end

    def __call__(self, value):
        last = max(1, len(self.names) - 1)
        return self.start + (self.end - self.start) * \
            self.names.index(value) / last

    def ticks(self):
        return self.names


def _round_step(step):
    power = 10 ** math.floor(math.log10(step))
    return power * next(s for s in (1, 2, 5, 10) if s * power >= step * 0.999)


def short(value):
    """A number for a tick: 1500000 is 1.5M."""
    if value == 0:
        return "0"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def mark(shape, x, y, class_, title=None):
    """Shapes as well as colours tell allocators apart."""
    inner = f"<title>{esc(title)}</title>" if title else ""
    r = 3.4
    corners = {
        1: [(-r, -r), (r, -r), (r, r), (-r, r)],
        2: [(0, -r - 1), (r + 0.8, r), (-r - 0.8, r)],
        3: [(0, -r - 1.2), (r + 1.2, 0), (0, r + 1.2), (-r - 1.2, 0)],
        4: [(-r - 0.8, -r), (r + 0.8, -r), (0, r + 1)],
        5: [(-1.5, -r - 1), (1.5, -r - 1), (1.5, -1.5), (r + 1, -1.5),
            (r + 1, 1.5), (1.5, 1.5), (1.5, r + 1), (-1.5, r + 1),
            (-1.5, 1.5), (-r - 1, 1.5), (-r - 1, -1.5), (-1.5, -1.5)],
        6: [(-r - 1, 0), (-r / 2, -r - 0.5), (r / 2, -r - 0.5), (r + 1, 0),
            (r / 2, r + 0.5), (-r / 2, r + 0.5)],
        7: [(0, -r - 1), (r, 0), (r, r), (-r, r), (-r, 0)],
    }.get(shape % SERIES)
    if corners is None:
        return element("circle", inner, cx=float(x), cy=float(y), r=r,
                       class_=class_)
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return element("polygon", inner, points=points, class_=class_)
