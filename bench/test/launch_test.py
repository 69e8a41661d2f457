#!/usr/bin/python3
"""The launcher and the runner around it.  Usage: launch_test.py LAUNCHER"""
import os
import pathlib
import sys
import unittest

import made_up      # noqa: F401  finds the modules under test
from harness.allocators import Allocator
from harness.runner import Runner
from harness.workloads import Workload
from macro import Command

LAUNCHER = sys.argv.pop(1)
LIBC = Allocator("libc", is_libc=True)


class Sh(Workload):
    """A script under /bin/sh."""

    def __init__(self, script, reference=None, client=None):
        super().__init__("macro", "sh", "?")
        self.script, self.reference = script, reference
        self.client = client

    def command(self, alloc, ran_in):
        return Command(["/bin/sh", "-c", self.script], client=self.client)

    def finish(self, output, ran_in):
        return {"digest": output.read_text()}


class Launch(unittest.TestCase):
    def setUp(self):
        self.runner = Runner(LAUNCHER, 1, 2)
        self.addCleanup(self.runner.close)

    def run_sh(self, script, alloc=LIBC, **more):
        return self.runner.run(Sh(script, **more), alloc)

    def test_a_run_that_ends_well_says_what_it_cost(self):
        got = self.run_sh("echo done")
        self.assertTrue(got["ok"], got)
        self.assertEqual(got["digest"], "done\n")
        self.assertGreater(got["rss_kib"], 200)
        self.assertGreater(got["minor_faults"], 10)
        self.assertGreaterEqual(got["elapsed_s"],
                                0.9 * (got["user_s"] + got["sys_s"]))

    def test_cpu_time_is_that_of_the_program(self):
        got = self.run_sh("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
        self.assertTrue(got["ok"], got)
        self.assertGreater(got["user_s"], 0.05)
        self.assertLess(self.run_sh("sleep 0.3")["user_s"], 0.05)

    def test_exit_status_and_signal_are_failures(self):
        self.assertEqual(self.run_sh("exit 3")["why"], "exit status 3")
        self.assertEqual(self.run_sh("kill -6 $$")["why"],
                         "killed by signal 6")

    def test_a_run_without_end_is_ended(self):
        got = self.run_sh("sleep 60")
        self.assertEqual(got["why"], "timed out")
        self.assertLess(got["elapsed_s"], 20)

    def test_another_output_than_libcs_is_a_failure(self):
        self.assertTrue(self.run_sh("echo a", reference="a\n")["ok"])
        self.assertEqual(self.run_sh("echo b", reference="a\n")["why"],
                         "output differs from libc's")

    def test_a_library_that_is_not_loaded_is_a_failure(self):
        missing = Allocator("none", preload="/nowhere/libnone.so")
        for script in (":", "sleep 0.2"):
            self.assertEqual(self.run_sh(script, missing)["why"],
                             "the library was not loaded")

    def test_options_in_the_callers_environment_do_not_leak_in(self):
        script = 'echo "$MALLOC_ARENA_MAX$LD_PRELOAD$SET"'
        os.environ["MALLOC_ARENA_MAX"] = "1"
        self.addCleanup(os.environ.pop, "MALLOC_ARENA_MAX")
        alloc = Allocator("libc", is_libc=True, env={"SET": "mine"})
        self.assertEqual(self.run_sh(script, alloc)["digest"], "mine\n")

    def test_the_peak_is_the_programs_not_the_drivers(self):
        ballast = bytearray(64 << 20)
        ballast[::4096] = b"x" * (len(ballast) // 4096)
        self.assertLess(self.run_sh(":")["rss_kib"], 32 << 10)

    def test_samples_are_taken_while_it_runs(self):
        got = self.run_sh("sleep 0.2")
        self.assertGreater(len(got["sample_ms"]), 10)
        self.assertEqual(len(got["sample_ms"]), len(got["sample_kib"]))
        self.assertEqual(got["sample_ms"], sorted(got["sample_ms"]))

    def test_a_server_ends_when_its_client_has(self):
        got = self.run_sh("trap 'echo bye; exit 0' TERM; "
                          "while :; do sleep 0.01; done",
                          client="exit 0")
        self.assertTrue(got["ok"], got)
        self.assertEqual(got["digest"], "bye\n")
        failed = self.run_sh("trap 'exit 0' TERM; "
                             "while :; do sleep 0.01; done", client="exit 4")
        self.assertEqual(failed["why"], "client's exit status 4")

    def test_each_run_has_a_folder_of_its_own_that_goes_away(self):
        first = self.run_sh("pwd; touch left")["digest"].strip()
        self.assertNotEqual(self.run_sh("pwd; ls")["digest"].strip(), first)
        self.assertFalse(pathlib.Path(first).exists())


if __name__ == "__main__":
    unittest.main()
