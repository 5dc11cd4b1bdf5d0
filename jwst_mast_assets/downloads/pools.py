"""Threads that an interruption does not wait for."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def threads(number: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads for a block of code.

    If the block is left by an exception, such as Ctrl-C, what has not started is canceled, and threads that wait for
    the network are left to their time-outs.

    Parameters
    ----------
    number : int
        Of threads.
    name : str
        Prefix of their names.
    """
    pool = ThreadPoolExecutor(number, name)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
