"""One run: one program, one allocator, one fresh process."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from . import machine

# Options of allocators that a user may have set must not leak in.
KEPT = ("PATH", "LD_LIBRARY_PATH")


class Runner:
    def __init__(self, launcher, sample_ms, limit_s, scratch=None):
        self.launcher = os.path.abspath(launcher)
        self.sample_ms = sample_ms
        self.limit_s = limit_s
        self.scratch = pathlib.Path(tempfile.mkdtemp(
            prefix="quarry-bench-", dir=scratch))
        self.start = time.monotonic()

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def run(self, workload, alloc):
        """A record with everything that was learnt, failed or not."""
        ran_in = pathlib.Path(tempfile.mkdtemp(dir=self.scratch))
        try:
            return self._run(workload, alloc, ran_in)
        finally:
            shutil.rmtree(ran_in, ignore_errors=True)

    def _argv(self, workload, alloc, command, cost):
        preload = alloc.preload
        if alloc.is_libc:
            preload = workload.libc_preload
        argv = [self.launcher, "-o", str(cost), "-t", str(self.limit_s),
                "-s", str(self.sample_ms)]
        if preload:
            argv += ["-p", preload]
        if command.client:
            argv += ["-c", command.client]
        return argv + alloc.prefix + command.argv

    def _run(self, workload, alloc, ran_in):
        command = workload.command(alloc, ran_in)
        work = ran_in / "work"
        work.mkdir()
        env = {k: os.environ[k] for k in KEPT if k in os.environ}
        env.update(HOME=str(work), TMPDIR=str(work), LC_ALL="C.UTF-8",
                   TZ="UTC", **command.env, **alloc.env)
        cost, output = ran_in / "cost", ran_in / "output"
        record = {"type": "run", "workload": workload.name,
                  "alloc": alloc.name,
                  "at_s": round(time.monotonic() - self.start, 3)}
        busy, stolen = machine.cpu_seconds()
        with open(command.stdin or os.devnull, "rb") as stdin, \
                open(output, "wb") as out, \
                open(ran_in / "errors", "wb") as err:
            code = subprocess.run(
                self._argv(workload, alloc, command, cost), cwd=work, env=env,
                stdin=stdin, stdout=out, stderr=err,
                # Ctrl-C asks the driver to stop, not this run to fail
                start_new_session=True).returncode
        busy, stolen = (now - before for now, before in
                        zip(machine.cpu_seconds(), (busy, stolen)))
        errors = (ran_in / "errors").read_text(errors="replace").strip()
        not_preloaded = "cannot be preloaded" in errors     # says ld.so
        errors = errors[-400:]
        if code != 0:
            return dict(record, ok=False, why="not started", errors=errors)
        record.update(json.loads(cost.read_text()))
        own = record["user_s"] + record["sys_s"]
        record.update(other_cpu_s=round(max(0.0, busy - own), 2),
                      stolen_s=round(stolen, 2))
        if alloc.preload and not_preloaded:
            record["preloaded"] = False
        why = self._failure(record, alloc)
        if not why:
            why = self._look_at_output(workload, output, ran_in, record)
        record.update(ok=why is None)
        if why:
            record.update(why=why, errors=errors)
        return record

    @staticmethod
    def _failure(record, alloc):
        if record["timed_out"]:
            return "timed out"
        if record["signal"]:
            return f"killed by signal {record['signal']}"
        if record["exit"] != 0:
            return f"exit status {record['exit']}"
        if record["client_exit"] != 0:
            return f"client's exit status {record['client_exit']}"
        if alloc.preload and record["preloaded"] is False:
            return "the library was not loaded"
        return None

    @staticmethod
    def _look_at_output(workload, output, ran_in, record):
        try:
            record.update(workload.finish(output, ran_in))
        except (OSError, ValueError, subprocess.CalledProcessError) as e:
            return f"output not readable: {e}"
        if workload.reference and record.get("digest") != workload.reference:
            return "output differs from libc's"
        return None
