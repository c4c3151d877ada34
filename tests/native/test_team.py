"""Teams of threads: barriers, forks, affinity, limits of control groups, exits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chainrule import _native

testing = _native.testing
MASK = 2**64 - 1

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
needs_affinity = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks"
)


def expected(threads: int, rounds: int) -> int:
    """What a team's check computes: each adds its neighbour's number to three times its own."""
    values = list(range(1, threads + 1))
    for _ in range(rounds):
        values = [(3 * values[i] + values[(i + 1) % threads]) & MASK for i in range(threads)]
    return sum(values) & MASK


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a fork's child that carries out a piece of work."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise TimeoutError("the child hangs")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def run_alone(test: Callable[[], None]) -> None:
    """Runs a function of this file in a new interpreter: other libraries warn when they see a fork."""
    path = Path(__file__)
    code = f"import sys; sys.path.insert(0, {str(path.parent)!r})\nimport {path.stem} as tests\n"
    done = run_python(f"{code}tests.{test.__name__}()")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_thread_sees_what_the_others_wrote_before_a_barrier(threads: int) -> None:
    total, _ = testing.Team().check(threads, 300)
    assert total == expected(threads, 300)


def test_a_team_grows_and_shrinks_between_runs() -> None:
    team = testing.Team()
    for threads in (2, 1, 4, 3, 8, 2):
        assert team.check(threads, 20)[0] == expected(threads, 20)


def test_many_short_runs_follow_each_other() -> None:
    team = testing.Team()
    wanted = expected(2, 1)
    assert all(team.check(2, 1)[0] == wanted for _ in range(2000))


def test_threads_that_slept_wake_again() -> None:
    team = testing.Team()
    for _ in range(5):
        time.sleep(0.02)
        assert team.check(3, 5)[0] == expected(3, 5)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_subnormals_are_zero_inside_a_run_only(threads: int) -> None:
    assert testing.Team().check(threads, 0)[1] == threads
    assert np.float64(2.2250738585072014e-308) / np.float64(2) > 0


def test_several_python_threads_have_teams_at_once() -> None:
    wrong: list[int] = []

    def work(threads: int) -> None:
        team = testing.Team()
        sums = [team.check(threads, rounds)[0] for rounds in range(30)]
        if sums != [expected(threads, rounds) for rounds in range(30)]:
            wrong.append(threads)

    workers = [threading.Thread(target=work, args=(1 + i % 3,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert not any(worker.is_alive() for worker in workers)
    assert not wrong


def test_threads_of_a_team_end_with_it() -> None:
    team = testing.Team()
    team.check(6, 1)
    during = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
    if not during:
        pytest.skip("this system does not list a process's threads")
    del team
    assert len(os.listdir("/proc/self/task")) == during - 5


def check_both_sides_of_a_fork() -> None:
    team = testing.Team()
    team.check(3, 10)

    def child() -> None:
        assert team.check(3, 50)[0] == expected(3, 50)

    assert in_child(child) == 0
    assert team.check(4, 10)[0] == expected(4, 10)


def check_a_child_that_drops_its_team() -> None:
    teams = [testing.Team()]
    teams[0].check(3, 10)
    assert in_child(teams.clear) == 0


def check_a_fork_beside_a_computing_thread() -> None:
    busy = testing.Team()
    computing = threading.Thread(target=lambda: busy.check(2, 20_000))
    computing.start()

    def child() -> None:
        assert testing.Team().check(2, 50)[0] == expected(2, 50)

    code = in_child(child)
    computing.join(timeout=60)
    assert code == 0
    assert not computing.is_alive()


@needs_fork
def test_a_team_works_in_the_child_of_a_fork_and_still_in_the_parent() -> None:
    run_alone(check_both_sides_of_a_fork)


@needs_fork
def test_a_child_may_drop_a_team_it_never_used() -> None:
    run_alone(check_a_child_that_drops_its_team)


@needs_fork
def test_a_fork_while_another_thread_computes_leaves_both_sides_working() -> None:
    run_alone(check_a_fork_beside_a_computing_thread)


@needs_affinity
def test_a_team_works_on_a_single_processor() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert testing.default_threads() == 1
        team = testing.Team()
        assert team.check(4, 200)[0] == expected(4, 200)
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_default_is_at_most_the_processors_allowed() -> None:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert allowed is not None
    assert 1 <= testing.default_threads() <= allowed


def group_files(root: Path, groups: str, files: dict[str, str]) -> str:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("groups", "files", "processors"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "400000 100000\n"}, 4),
        ("0::/a/b\n", {"cpu.max": "200000 100000\n"}, 2),
        (
            "3:cpuset:/\n2:cpu,cpuacct:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "200000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        (
            "2:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            8,
        ),
        ("nonsense\n\n:\n", {}, 8),
        ("0::\n", {}, 8),
    ],
)
def test_limits_of_control_groups_are_kept(
    tmp_path: Path, groups: str, files: dict[str, str], processors: int
) -> None:
    root = group_files(tmp_path, groups, files)
    assert testing.processors_of_quota(root, 8) == processors


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert testing.processors_of_quota(str(tmp_path), 5) == 5


@pytest.mark.parametrize("ending", ["", "sys.exit(0)", "os._exit(0)"])
def test_the_interpreter_ends_with_teams_alive(ending: str) -> None:
    done = run_python(
        "import os, sys\n"
        "from chainrule import _native\n"
        "teams = [_native.testing.Team() for _ in range(3)]\n"
        "assert all(team.check(3, 10)[1] == 3 for team in teams)\n" + ending
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_fork
def test_a_forked_interpreter_ends_with_its_parents_team_alive() -> None:
    done = run_python(
        "import os, sys\n"
        "from chainrule import _native\n"
        "team = _native.testing.Team()\n"
        "team.check(3, 10)\n"
        "pid = os.fork()\n"
        "if pid:\n"
        "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_reaches_the_interpreter_and_not_a_sleeping_thread() -> None:
    done = run_python(
        "import os, signal, threading, time\n"
        "from chainrule import _native\n"
        "team = _native.testing.Team()\n"
        "team.check(3, 10)\n"
        "timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))\n"
        "timer.start()\n"
        "try:\n"
        "    time.sleep(30)\n"
        "except KeyboardInterrupt:\n"
        "    print(team.check(3, 10)[1])\n"
    )
    assert (done.returncode, done.stdout) == (0, "3\n")
