"""The order of the runs, and when to stop.

A block is one workload under every allocator, one run after the other in
random order: what a block compares happened within seconds, on a machine
whose speed drifts by minutes.  A round has one block of every workload, in
random order; the first round goes group by group, so that what there is no
time for is the same each time.  Where time is bounded, a block is only begun
that is thought to fit, and what did not is named.
"""
import random
import time


# What comes first where time is short.
ORDER = ("macro", "reclaim", "micro", "trace")


class Plan:
    def __init__(self, workloads, allocators, rounds, seed, deadline=None):
        """@rounds: {group: number}; @deadline: by time.monotonic()."""
        self.random = random.Random(seed)
        self.allocators, self.deadline = allocators, deadline
        self.todo = []
        for k in range(max(rounds.values(), default=0)):
            one = [(w, k) for w in workloads if k < rounds[w.group]]
            self.random.shuffle(one)
            if k == 0 and deadline is not None:
                one.sort(key=lambda block: ORDER.index(block[0].group))
            self.todo += one
        self.seconds = {}       # by workload: what its last blocks took
        self.left_out = []      # blocks there was no time for

    def _guess(self, workload):
        same = [s for w, s in self.seconds.items()
                if w.group == workload.group]
        return self.seconds.get(workload) or (
            sum(same) / len(same) if same else
            1.5 * len(self.allocators))

    def seconds_left(self):
        left = sum(self._guess(w) for w, _ in self.todo)
        if self.deadline is not None:
            left = min(left, max(0.0, self.deadline - time.monotonic()))
        return left

    def blocks(self):
        """Yields (workload, number of the block, allocators in order);
        one at least."""
        while self.todo:
            workload, number = self.todo.pop(0)
            begun = time.monotonic()
            if (self.deadline is not None and self.seconds and
                    begun + self._guess(workload) > self.deadline):
                self.left_out.append((workload.name, number))
                continue
            order = [a for a in self.allocators if workload.suits(a)]
            self.random.shuffle(order)
            yield workload, number, order
            spent = time.monotonic() - begun
            before = self.seconds.get(workload, spent)
            self.seconds[workload] = (before + spent) / 2
