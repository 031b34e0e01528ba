"""Processes for tests that need several, or one to kill: without importing PyTorch in each."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

# A server that has imported everything forks them, where forking is safe: it saves seconds.
PROCESSES = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
PROCESSES.set_forkserver_preload(["helpers.train", "pytest"])


def started(target, *arguments, output):
    """Call the function in a process of its own, which writes to `output`.out and `output`.err."""
    process = PROCESSES.Process(target=_call, args=(target, arguments, str(output)), daemon=True)
    process.start()
    return process


def _call(target, arguments, output):
    for number, name in (1, "out"), (2, "err"):  # by number, as a library in C knows them
        with open(f"{output}.{name}", "wb") as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    target(*arguments)


def result_of(function, *arguments):
    """What the function returns, or raises, in a process of its own that ends after it."""
    with ProcessPoolExecutor(1, mp_context=PROCESSES) as executor:
        return executor.submit(function, *arguments).result(timeout=600)
