"""Work set aside: done by the end, by two threads, whatever happens."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from nnet import aside as module
from nnet import cores
from nnet.aside import aside, at_once
from nnet.component import params
from nnet.kernels import cblas
from nnet.trainer import Trainer, TrainerOptions
from tests.networks import minibatch, network


class Blas:
    """A BLAS with a number of threads, which notes its limits."""

    def __init__(self, threads):
        self.lib_controllers = [self]
        self.num_threads = threads
        self.limits = []

    def limit(self, limits):
        self.limits.append(limits)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.limits.append(None)


@pytest.fixture
def two(monkeypatch):
    blas = Blas(2)
    monkeypatch.setattr(module, "_blas", lambda: blas)
    monkeypatch.setattr(module, "library", lambda: None)
    return blas


def test_work_is_done_by_both_threads_with_one_of_the_blas_each(two):
    names, begun, gate = [], threading.Event(), threading.Event()

    def work():
        begun.set()
        gate.wait(5)
        names.append(threading.current_thread().name)

    with aside() as later:
        for _ in range(4):
            later(work)
        assert begun.wait(5) and not names and two.limits == [1]
        assert cores._computing == 2
        gate.set()
    assert len(names) == 4 and set(names) == {"aside", "MainThread"} and two.limits == [1, None]
    assert cores._computing == 1


def test_who_waits_for_the_other_thread_leaves_its_core_to_products(two, monkeypatch):
    monkeypatch.setattr(cores, "count", lambda: 2)
    begun, gate, free = threading.Event(), threading.Event(), []

    def work():
        free.append(cores.free())
        begun.set()
        for _ in range(500):
            if cores.free() == 2:
                break
            gate.wait(0.01)
        free.append(cores.free())

    with aside() as later:
        later(work)
        assert begun.wait(5)
    assert free == [1, 2]


def test_no_more_waits_than_memory_allows(two, monkeypatch):
    monkeypatch.setattr(module, "BEHIND", 1)
    gate, done = threading.Event(), []
    with aside() as later:
        later(lambda: gate.wait(5) and done.append("first"))
        later(lambda: done.append("second"))
        later(lambda: done.append("here"))
        assert done == ["here"]
        gate.set()
    assert sorted(done) == ["first", "here", "second"]


@pytest.mark.parametrize("threads", [1, 4, None])  # None: a library that does not say
def test_with_another_number_of_threads_work_is_done_at_once(monkeypatch, threads):
    monkeypatch.setattr(module, "_blas", lambda: Blas(threads))
    monkeypatch.setattr(module, "library", lambda: None)
    with aside() as later:
        assert later is at_once


def test_products_of_ours_have_as_many_threads_as_there_are(monkeypatch):
    monkeypatch.setattr(module, "library", lambda: SimpleNamespace(shares=True))
    monkeypatch.setattr(module, "_blas", lambda: None)
    for threads in (1, 2, 3):
        monkeypatch.setattr(cores, "count", lambda threads=threads: threads)
        with aside() as later:
            assert (later is at_once) == (threads != 2)


def test_without_threadpoolctl_too(monkeypatch):
    monkeypatch.setattr(module, "_blas", lambda: None)
    monkeypatch.setattr(module, "library", lambda: None)
    with aside() as later:
        assert later is at_once
    with aside(wanted=False) as later:
        assert later is at_once


def test_threads_that_compute_together_wait_less_for_the_lock(two):
    before = sys.getswitchinterval()
    with aside():
        assert sys.getswitchinterval() == pytest.approx(module.SWITCH)
    assert sys.getswitchinterval() == before


def fail():
    raise ValueError("of the work")


def test_what_work_raises_is_raised_at_the_end(two):
    with pytest.raises(ValueError, match="of the work"), aside() as later:
        later(fail)
        later(lambda: None)


def test_after_an_exception_nothing_is_begun(two):
    gate, done = threading.Event(), []
    with pytest.raises(KeyError), aside() as later:
        later(lambda: gate.wait(5) and done.append("begun"))
        later(lambda: done.append("never"))
        threading.Timer(0.05, gate.set).start()
        raise KeyError
    assert done in (["begun"], [])


def test_numbers_out_of_range_warn_in_neither_thread(two):
    with aside() as later, np.errstate(all="ignore"):
        for _ in range(4):
            later(lambda: np.float32(1e38) * np.float32(1e38))


def after(steps):
    nnet = network()
    trainer = Trainer(nnet, TrainerOptions())
    for seed in range(steps):
        trainer.step(minibatch(seed=seed))
    return nnet


def test_training_with_two_threads_gives_the_same_bits(monkeypatch):
    monkeypatch.setattr(module, "library", lambda: None)
    monkeypatch.setattr(module, "_blas", lambda: Blas(1))
    one = after(6)
    monkeypatch.setattr(module, "_blas", lambda: Blas(2))
    two = after(6)
    for name, c in one.components.items():
        for mine, other in zip(params(c).values(), params(two.components[name]).values()):
            assert np.array_equal(mine, other), name


def test_two_threads_give_the_same_bits_each_time(monkeypatch):
    monkeypatch.setattr(cores, "count", lambda: 2)
    monkeypatch.setattr(cblas, "SHARED", 0)
    monkeypatch.setattr(cores, "ENOUGH", 0)
    monkeypatch.setattr(cblas, "_sharing", True)
    cblas.library.cache_clear()
    try:
        if cblas.library() is None:
            pytest.skip("numpy has another BLAS than its wheels have")
        first, *others = (after(4) for _ in range(4))
    finally:
        cblas.library.cache_clear()
    for other in others:
        for name, c in first.components.items():
            for mine, its in zip(params(c).values(), params(other.components[name]).values()):
                assert np.array_equal(mine, its), name
