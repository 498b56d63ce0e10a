"""Reading ahead: an iterator run by a thread, so that files are read while the caller computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

T = TypeVar("T")
DEPTH = 4  # items that may wait
_PATIENCE = 10.0  # seconds for a thread that waits for a command to notice that the caller has gone
_WAIT = 0.1  # seconds between looks at whether the caller has gone


def in_background(items: Iterator[T]) -> Iterator[T]:
    """The same items, or the same exception, up to 4 of them made ahead by a thread."""
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(DEPTH)
    stopped = threading.Event()

    def put(kind: str, item: Any) -> bool:
        while not stopped.is_set():
            try:
                waiting.put((kind, item), timeout=_WAIT)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    break
            items.close()  # type: ignore[attr-defined]
            put("end", None)
        except BaseException as error:  # handed to the caller
            put("error", error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (message := waiting.get())[0] == "item":
            yield message[1]
        if message[0] == "error":
            raise message[1]
    finally:
        stopped.set()
        thread.join(_PATIENCE)
