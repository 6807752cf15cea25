"""How long jobs take side by side, each after those that it needs."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["wall_clock"]


def wall_clock(seconds: Mapping[str, float], needs: Mapping[str, Iterable[str]], slots: int) -> float:
    """Seconds until all jobs are done where at most `slots` run at once.

    `seconds` by job; `needs`: the jobs before each, of which those that have no seconds count as done. A slot that is
    free takes the job with the most work behind it, which is close to the best there is (Graham 1969: at most 2 − 1 /
    slots times as long). Such a schedule can become longer with more slots, so the best with so many or fewer counts.
    """
    if slots < 1:
        raise ValueError(f"slots: found {slots}, expected 1 or more")
    before = {job: [n for n in dict.fromkeys(needs.get(job, ())) if n in seconds] for job in seconds}
    behind = _longest_behind(seconds, before)
    whole, longest = sum(seconds.values()), max(behind.values(), default=0.0)
    slots = min(slots, max(1, len(seconds)))
    best = _greedy(seconds, before, behind, slots)
    for fewer in range(slots - 1, 0, -1):
        if max(whole / fewer, longest) >= best:  # no schedule with so few is shorter
            break
        best = min(best, _greedy(seconds, before, behind, fewer))
    return best


def _longest_behind(seconds: Mapping[str, float], before: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """For each job, the seconds from its start to the end of the longest chain that needs it."""
    after, open_ends = defaultdict(list), dict.fromkeys(seconds, 0)
    for job, needed in before.items():
        for name in needed:
            after[name].append(job)
            open_ends[name] += 1
    ready = [job for job, n in open_ends.items() if n == 0]
    behind: dict[str, float] = {}
    while ready:
        job = ready.pop()
        behind[job] = seconds[job] + max((behind[name] for name in after[job]), default=0.0)
        for name in before[job]:
            open_ends[name] -= 1
            if open_ends[name] == 0:
                ready.append(name)
    if len(behind) < len(seconds):
        raise ValueError("needs: jobs need each other in a circle")
    return behind


def _greedy(
    seconds: Mapping[str, float], before: Mapping[str, Sequence[str]], behind: Mapping[str, float], slots: int
) -> float:
    after, missing = defaultdict(list), {job: len(needed) for job, needed in before.items()}
    for job, needed in before.items():
        for name in needed:
            after[name].append(job)
    order = {job: place for place, job in enumerate(seconds)}  # of equal ones the first
    ready = [(-behind[job], order[job], job) for job, n in missing.items() if n == 0]
    heapq.heapify(ready)
    running: list[tuple[float, int, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < slots:
            _, place, job = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[job], place, job))
        now, _, job = heapq.heappop(running)
        for name in after[job]:
            missing[name] -= 1
            if missing[name] == 0:
                heapq.heappush(ready, (-behind[name], order[name], name))
    return now
