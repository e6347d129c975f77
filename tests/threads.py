"""Work in several threads at once."""

import sys
import threading


def at_once(work, count=8, *, interval=None):
    """Run `work(k)` in `count` threads that start together; raise what they raised.

    `interval` is that of the interpreter's switches between threads, in seconds: 1e-6 is as often as it can.
    """
    barrier, errors = threading.Barrier(count), []

    def body(k):
        try:
            barrier.wait()
            work(k)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(before if interval is None else interval)
    try:
        threads = [threading.Thread(target=body, args=(k,)) for k in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]
