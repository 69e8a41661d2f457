"""The order of the runs, and when to stop.

A block is one workload under every allocator, one run after the other in
random order: what a block compares happened within seconds, on a machine
whose speed drifts by minutes.  A round has one block of every workload, in
random order.  Where time is bounded, the workload with the fewest blocks
for its group goes first, and a block is only begun that is thought to fit.
"""
import random
import time


class Plan:
    def __init__(self, workloads, allocators, rounds, seed, deadline=None):
        """@rounds: {group: number}; @deadline: by time.monotonic()."""
        self.random = random.Random(seed)
        self.allocators, self.deadline = allocators, deadline
        self.todo = []
        for k in range(max(rounds.values(), default=0)):
            one = [(w, k) for w in workloads if k < rounds[w.group]]
            self.random.shuffle(one)
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
        """Yields (workload, number of the block, allocators in order).

        The first round is always run in full: without it there would be
        workloads with no answer at all."""
        while self.todo:
            workload, number = self.todo.pop(0)
            begun = time.monotonic()
            if (self.deadline is not None and number > 0 and
                    begun + self._guess(workload) > self.deadline):
                self.left_out.append((workload.name, number))
                continue
            order = [a for a in self.allocators if workload.suits(a)]
            self.random.shuffle(order)
            yield workload, number, order
            spent = time.monotonic() - begun
            before = self.seconds.get(workload, spent)
            self.seconds[workload] = (before + spent) / 2
