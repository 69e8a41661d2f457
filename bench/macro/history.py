"""A history for git, not a workload itself: a stream for git fast-import."""
import random
import subprocess

from . import words


def make(here, commits, files):
    """A bare repository in here/repo with that many commits."""
    r = random.Random(21)
    w = words(22, 1500)
    text = {f"src/{r.choice(w)}/{i}.c":
            [" ".join(r.choices(w, k=r.randint(1, 9)))
             for _ in range(r.randint(20, 400))] for i in range(files)}
    out = []

    def blob(lines):
        data = ("\n".join(lines) + "\n").encode()
        return b"data %d\n%s\n" % (len(data), data)

    for c in range(commits):
        message = " ".join(r.choices(w, k=8))
        out.append(b"commit refs/heads/main\ncommitter A <a@example.org> "
                   b"%d +0000\n" % (1600000000 + 60 * c))
        out.append(b"data %d\n%s\n" % (len(message), message.encode()))
        names = list(text) if c == 0 else r.sample(sorted(text), 3)
        for name in names:
            lines = text[name]
            for _ in range(r.randint(1, 6)):
                at = r.randrange(len(lines))
                lines[at:at + r.randint(0, 3)] = [
                    " ".join(r.choices(w, k=r.randint(1, 9)))
                    for _ in range(r.randint(0, 4))] or [r.choice(w)]
            if c and r.random() < 0.05:
                new = f"src/{r.choice(w)}/{c}.c"
                out.append(b"R %s %s\n" % (name.encode(), new.encode()))
                text[new] = text.pop(name)
                name = new
            out.append(b"M 100644 inline %s\n%s" % (name.encode(),
                                                    blob(lines)))
    repo = here / "repo"
    git = ["git", "-c", "core.fsync=none"]
    subprocess.run(git + ["init", "-q", "--bare", repo], check=True)
    subprocess.run(git + ["-C", repo, "fast-import", "--quiet"],
                   input=b"".join(out), check=True)
