"""Work that one thread does for another, which waits for the answer.

Rule of this file: what the work returns or raises reaches the one who asked, and nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from netwatch.errors import StoreError
from netwatch.store.books import Books

T = TypeVar("T")


class Job(Generic[T]):
    """Something to be done by the writer's thread for a caller who waits."""

    def __init__(self, work: Callable[[Books], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def do(self, books: Books) -> None:
        try:
            self._result.append(self._work(books))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            self._error = error
        self._done.set()

    def refuse(self, error: StoreError) -> None:
        self._error = error
        self._done.set()

    def wait(self, timeout_s: float | None) -> bool:
        return self._done.wait(timeout_s)

    def answer(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result[0]
