"""Waiting for what becomes true by itself."""
import time


def eventually(check, timeout=10, interval=0.02, what=None):
    """Calls check() until it gives something true, and gives that. An exception counts as false until the time is up."""
    end = time.monotonic() + timeout
    problem = None
    while True:
        try:
            value = check()
            if value:
                return value
            problem = value
        except Exception as e:  # the last one is shown
            problem = e
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what or check}: last {problem!r}")
        time.sleep(interval)
