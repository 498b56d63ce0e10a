"""Items made ahead by a thread."""

from __future__ import annotations

import threading

import pytest

from nnet.formats.background import in_background


def numbers(count, closed, fail=False):
    try:
        yield from range(count)
        if fail:
            raise ValueError("at the end")
    finally:
        closed.append(True)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_items_come_in_order(count):
    assert list(in_background(numbers(count, []))) == list(range(count))


def test_an_exception_comes_after_the_items_before_it():
    items, seen = in_background(numbers(3, [], fail=True)), []
    with pytest.raises(ValueError, match="at the end"):
        for item in items:
            seen.append(item)
    assert seen == [0, 1, 2]


def test_a_reader_who_stops_early_ends_the_thread():
    closed: list[bool] = []
    before = threading.active_count()
    items = in_background(numbers(1000, closed))
    assert next(items) == 0
    assert threading.active_count() == before + 1
    items.close()
    assert threading.active_count() == before
    assert closed == [True]
