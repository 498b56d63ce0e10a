"""Sets of states that are split again and again, as Hopcroft's algorithm does, in OpenFst's order."""

from __future__ import annotations

from collections.abc import Iterator

NONE = -1


class Partition:
    """States in classes; each class is a list, and states can be marked to be split off it.

    The order within lists decides which state stands for its class, so it is OpenFst's (Partition).
    """

    def __init__(self, class_of: list[int], classes: int):
        self.class_of = [NONE] * len(class_of)
        self.next, self.previous = [NONE] * len(class_of), [NONE] * len(class_of)
        self.marked = [False] * len(class_of)
        self.size = [0] * classes
        self.head = [NONE] * classes  # of states that are not marked
        self.marked_head = [NONE] * classes
        self.marked_size = [0] * classes
        self._touched: list[int] = []
        for s, c in enumerate(class_of):
            self.add(s, c)

    def add_class(self) -> int:
        """A new empty class."""
        for column, value in ((self.size, 0), (self.head, NONE), (self.marked_head, NONE)):
            column.append(value)
        self.marked_size.append(0)
        return len(self.size) - 1

    def add(self, s: int, c: int) -> None:
        """Put state `s`, which is in no class, at the head of class `c`."""
        self.class_of[s] = c
        self.size[c] += 1
        self.head[c] = self._in_front(s, self.head[c])

    def move(self, s: int, c: int) -> None:
        """Put state `s` at the head of another class."""
        self.size[self.class_of[s]] -= 1
        self._cut(s)
        self.add(s, c)

    def members(self, c: int) -> Iterator[int]:
        """The states of class `c`, in their order."""
        s = self.head[c]
        while s != NONE:
            yield s
            s = self.next[s]

    def mark(self, s: int) -> None:
        """Mark `s` to be split off its class."""
        c = self.class_of[s]
        if self.marked[s] or self.size[c] == 1:
            return
        self.marked[s] = True
        self._cut(s)
        if self.marked_head[c] == NONE:
            self._touched.append(c)
        self.marked_head[c] = self._in_front(s, self.marked_head[c])
        self.marked_size[c] += 1

    def split(self) -> list[int]:
        """Split every class that has marked states and others; the smaller part becomes a new class."""
        new = [n for c in self._touched if (n := self._split(c)) != NONE]
        self._touched.clear()
        return new

    def _in_front(self, s: int, head: int) -> int:
        if head != NONE:
            self.previous[head] = s
        self.next[s], self.previous[s] = head, NONE
        return s

    def _cut(self, s: int) -> None:
        before, after = self.previous[s], self.next[s]
        if before != NONE:
            self.next[before] = after
        else:
            self.head[self.class_of[s]] = after
        if after != NONE:
            self.previous[after] = before

    def _split(self, c: int) -> int:
        marked, rest = self.marked_head[c], self.head[c]
        count = self.marked_size[c]
        self.marked_head[c], self.marked_size[c] = NONE, 0
        self._unmark(marked)
        if count == self.size[c]:
            self.head[c] = marked
            return NONE
        new = self.add_class()
        smaller_is_rest = self.size[c] - count < count
        self.head[c], self.head[new] = (marked, rest) if smaller_is_rest else (rest, marked)
        self.size[new] = self.size[c] - count if smaller_is_rest else count
        self.size[c] -= self.size[new]
        for s in self.members(new):
            self.class_of[s] = new
        return new

    def _unmark(self, s: int) -> None:
        while s != NONE:
            self.marked[s] = False
            s = self.next[s]
