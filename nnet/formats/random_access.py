"""Tables read by key: script files whose values are read when asked for, archives read as far as needed."""

from __future__ import annotations

from typing import Any

from nnet.formats.archive import archive_items, shown, warn
from nnet.formats.kinds import Kind
from nnet.formats.script import Places, read_script
from nnet.formats.specifiers import Rspecifier


class RandomAccess:
    """A table read by key. `key in table` tells whether there is a value that can be read."""

    def __contains__(self, key: object) -> bool:
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        """The value of `key`. Raises ValueError if there is none."""
        raise NotImplementedError

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key`, or `default`."""
        return self[key] if key in self else default  # noqa: SIM401 - this is what `get` means

    def close(self) -> None:
        """Close the files that are open."""
        raise NotImplementedError

    def __enter__(self) -> RandomAccess:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class ScriptAccess(RandomAccess):
    """A table of a script file: places are held in memory, values are read when they are asked for."""

    def __init__(self, spec: Rspecifier, kind: Kind, allow: bool):
        self.spec = spec
        self.places = Places(kind, spec.pipes or allow)
        self.place_of: dict[str, str] = {}
        for key, place in read_script(spec.name):
            self.place_of.setdefault(key, place)

    def __contains__(self, key: object) -> bool:
        if not self.spec.permissive or key not in self.place_of:
            return key in self.place_of
        try:
            self[str(key)]
        except (ValueError, OSError) as error:
            warn(f"{error}; taken as absent, as the table is read with the option p")
            return False
        return True

    def __getitem__(self, key: str) -> Any:
        if key not in self.place_of:
            raise ValueError(f"{shown(self.spec.name)} has no entry for {key}")
        return self.places.read(key, self.place_of[key])

    def close(self) -> None:
        """Close the file that is open."""
        self.places.close()


class ArchiveAccess(RandomAccess):
    """A table of an archive, read as far as needed; what has been read stays in memory.

    Options save memory: `o` (each key is asked for once), `s` (keys are sorted: absence is known without
    reading to the end), `cs` (they are also asked for in that order: earlier values are dropped).
    """

    def __init__(self, spec: Rspecifier, kind: Kind):
        self.spec = spec
        self._items = archive_items(spec, kind)
        self._held: dict[str, Any] = {}
        self._newest: str | None = None  # key read last
        self._asked: str | None = None
        self._ended = False

    def __contains__(self, key: object) -> bool:
        assert isinstance(key, str)
        self._drop(key)
        while key not in self._held and not self._ended and not self._is_past(key):
            self._read_one()
        return key in self._held

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise ValueError(f"{shown(self.spec.name)} has no value for {key}")
        return self._held[key]

    def close(self) -> None:
        """Close the archive."""
        self._items.close()  # type: ignore[attr-defined]
        self._ended = True

    def _is_past(self, key: str) -> bool:
        return self.spec.sorted and self._newest is not None and _order(self._newest) >= _order(key)

    def _drop(self, key: str) -> None:
        """Forget what the options say will not be asked for again."""
        if self.spec.once and self._asked not in (None, key):
            self._held.pop(str(self._asked), None)
        if self.spec.called_sorted and self._asked is not None and _order(key) < _order(self._asked):
            raise ValueError(
                f"{shown(self.spec.name)}: {key} asked for after {self._asked}; remove the option cs"
            )
        if self.spec.called_sorted and self.spec.sorted:
            for earlier in [k for k in self._held if _order(k) < _order(key)]:
                del self._held[earlier]
        self._asked = key

    def _read_one(self) -> None:
        item = next(self._items, None)
        if item is None:
            self._ended = True
            return
        key, value = item
        if self.spec.sorted and self._newest is not None and _order(key) <= _order(self._newest):
            raise ValueError(
                f"{shown(self.spec.name)} is not sorted: {key} follows {self._newest}; remove the option s"
            )
        self._newest = key
        self._held.setdefault(key, value)


def _order(key: str) -> bytes:
    """Keys are compared byte by byte, as by `LC_ALL=C sort`."""
    return key.encode("utf-8")
