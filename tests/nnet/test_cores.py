"""Threads of ours: how many there are, and work that they share."""

import os
import threading
from functools import partial

import numpy as np
import pytest

from nnet import cores


@pytest.fixture
def counted(monkeypatch):
    """Lets the environment be asked anew; any number of threads may then be set."""
    for name in cores.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    cores.count.cache_clear()
    yield monkeypatch
    cores.count.cache_clear()


def test_the_environment_says_how_many_threads_there_are(counted):
    counted.setattr(cores.os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    counted.setenv("OMP_NUM_THREADS", "7,2")
    assert cores.count() == 7
    counted.setenv("OPENBLAS_NUM_THREADS", " 3")
    assert cores.count() == 7  # asked once
    cores.count.cache_clear()
    assert cores.count() == 3


def test_there_are_no_more_than_cores(counted):
    counted.setattr(cores.os, "sched_getaffinity", lambda pid: {0, 3, 4}, raising=False)
    counted.setenv("OPENBLAS_NUM_THREADS", "64")
    assert cores.count() == 3


@pytest.mark.parametrize("value", ["", "0", "many", "-2", "\u00b2"])
def test_what_is_no_number_of_threads_does_not_count(counted, value):
    counted.setattr(cores.os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    counted.setenv("OPENBLAS_NUM_THREADS", value)
    counted.setenv("MKL_NUM_THREADS", "5")
    assert cores.count() == 5


def test_without_a_word_there_is_one_for_each_core(counted):
    counted.setattr(cores.os, "sched_getaffinity", lambda pid: {0, 3, 4}, raising=False)
    assert cores.count() == 3
    counted.delattr(cores.os, "sched_getaffinity")
    counted.setattr(cores.os, "cpu_count", lambda: 6)
    cores.count.cache_clear()
    assert cores.count() == 6


def test_threads_with_work_of_their_own_are_not_free(monkeypatch):
    monkeypatch.setattr(cores, "count", lambda: 4)
    assert cores.free() == 4
    with cores.computing():
        assert cores.free() == 2
        with cores.waiting():
            assert cores.free() == 4
        with pytest.raises(KeyError), cores.computing():
            assert cores.free() == 1
            raise KeyError
        assert cores.free() == 2
    assert cores.free() == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_begins_with_one_thread():
    with cores.computing(), cores.uncut():
        child = os.fork()
        if child == 0:
            fresh = cores._computing == 1 and cores._uncut == 0 and not cores._queues(os.getpid())
            os._exit(0 if fresh else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert cores._computing == 2


def test_who_waits_is_waited_for_by_nobody():
    done = threading.Event()
    queue = cores.new_thread("one more")
    queue.put(done.set)
    assert done.wait(10)
    assert all(t.daemon for t in threading.enumerate() if t.name == "one more")


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("n", [0, 1, 7, 8, 100])
def test_shared_work_is_all_done_once(n, threads):
    done, lock = np.zeros(n, int), threading.Lock()

    def work(part):
        with lock:
            done[part] += 1

    cores.share(work, n, threads)
    assert (done == 1).all()


def test_two_threads_work_at_once():
    meeting = threading.Barrier(2, timeout=20)
    names = set()

    def work(part):
        if part.stop - part.start == 30:  # a large one
            meeting.wait()
            names.add(threading.current_thread().name)

    cores.share(work, 80, 2)
    assert len(names) == 2


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_what_shared_work_raises_is_raised(fails):
    def work(part):
        if part.start == [0, 30, 60][fails]:
            raise ValueError("of a part")

    with pytest.raises(ValueError, match="of a part"):
        cores.share(work, 80, 2)


@pytest.mark.parametrize(("elements", "parts"), [(cores.ENOUGH - 1, 1), (cores.ENOUGH, 4)])
def test_little_work_is_not_shared(monkeypatch, elements, parts):
    monkeypatch.setattr(cores, "count", lambda: 2)
    found = []
    cores.by_parts(found.append, 80, elements)
    assert len(found) == parts and sum(p.stop - p.start for p in found) == 80


def test_a_thread_that_waits_does_what_another_does_together():
    begun, helped, done = threading.Event(), threading.Event(), threading.Event()
    names = []

    def long():
        names.append(threading.current_thread().name)
        begun.set()
        assert helped.wait(20)

    def short():
        names.append(threading.current_thread().name)
        helped.set()

    def other():
        cores.together([long, short])
        done.set()

    thread = threading.Thread(target=other, name="other")
    thread.start()
    assert begun.wait(20)
    cores.wait(done)
    thread.join()
    assert names == ["other", threading.current_thread().name]
    assert not cores._open and cores.free() == cores.count()


def test_what_is_done_together_is_all_done_and_raises_what_was_raised():
    seen = []
    cores.together([partial(seen.append, i) for i in range(5)])
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError):
        cores.together([lambda: 1 / 0, partial(seen.append, 5)])
    cores.together([])
    assert seen == [0, 1, 2, 3, 4] and not cores._open


def test_an_exception_of_the_thread_that_helps_is_raised_in_both():
    begun, failed, done = (threading.Event() for _ in range(3))
    raised: list[str] = []

    def long():
        begun.set()
        assert failed.wait(20)

    def fails():
        failed.set()
        raise ValueError("of the piece")

    def other():
        try:
            cores.together([long, fails])
        except ValueError as error:
            raised.append(str(error))
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert begun.wait(20)
    with pytest.raises(ValueError, match="of the piece"):
        cores.wait(done)
    assert done.is_set()  # nothing is raised before the other thread has ended
    thread.join()
    assert raised == ["of the piece"] and cores.free() == cores.count()
