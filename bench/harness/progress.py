"""Progress: a bar on a terminal, plain lines elsewhere.  On stderr."""
import shutil
import sys
import time


def clock(seconds):
    seconds = max(0, round(seconds))
    if seconds >= 3600:
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{seconds // 60}:{seconds % 60:02}"


class Progress:
    def __init__(self, quiet=False, out=sys.stderr):
        self.out, self.quiet = out, quiet
        self.tty = out.isatty() and not quiet
        self.last_line = 0.0

    def show(self, done, left, what):
        """@done, @left: seconds spent, and thought to be left; None for
        what is not known yet."""
        share, clock_left = 0.0, "?:??"
        if left is not None:
            share = done / (done + left) if done + left > 0 else 1.0
            clock_left = clock(left)
        if self.tty:
            filled = int(share * 24)
            text = (f"[{'█' * filled}{'·' * (24 - filled)}] {share:4.0%} "
                    f"{clock_left} left  {what}")
            width = shutil.get_terminal_size().columns - 1
            self.out.write("\r\033[K" + text[:width])
            self.out.flush()
        elif not self.quiet and time.monotonic() - self.last_line >= 5:
            self.last_line = time.monotonic()
            self.out.write(f"{share:4.0%}, {clock_left} left: {what}\n")
            self.out.flush()

    def say(self, text):
        if self.tty:
            self.out.write("\r\033[K")
        if not self.quiet:
            self.out.write(text + "\n")
            self.out.flush()

    def clear(self):
        if self.tty:
            self.out.write("\r\033[K")
            self.out.flush()
