"""Processes for tests that need several, or one to kill: without importing PyTorch in each."""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

import torch.distributed as dist

# A server that has imported everything forks them, where forking is safe: it saves seconds. The
# first step of an optimizer would import torch._dynamo.
PROCESSES = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
PROCESSES.set_forkserver_preload(["helpers.train", "pytest", "torch._dynamo"])


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


def several(function, *arguments_of_each, output):
    """Call the function in as many processes at once, which can meet as under torchrun.

    Returns the exit code, stdout and stderr of each.
    """
    world_size = len(arguments_of_each)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    place = world_size, store.port, function
    processes = [
        started(_one_of_several, arguments, rank, *place, output=output / str(rank))
        for rank, arguments in enumerate(arguments_of_each)
    ]
    for process in processes:
        process.join(600)
    said = [
        [(output / f"{rank}.{name}").read_text(encoding="utf-8") for name in ("out", "err")]
        for rank in range(world_size)
    ]
    return [(process.exitcode, *both) for process, both in zip(processes, said, strict=True)]


def _one_of_several(arguments, rank, world_size, port, function):
    """Call the function in the surroundings that torchrun makes."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the port is the parent's
    sys.exit(function(*arguments))
