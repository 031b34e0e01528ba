"""Three small exercises, and the reader's side of them: cells of a notebook, and processes."""

import linecache
import secrets
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import torch
from torch import nn

from exercises import limits
from exercises.exercise import Exercise, Wrong


def project(x, w):
    """Return x @ w."""
    return x @ w


def clamped(x, w):
    return (x @ w).clamp(min=0)


def normal(generator, *shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def matrices(generator):
    return normal(generator, 5, 3), normal(generator, 3, 4)


PROJECT = Exercise(
    number="99.1",
    prompt="**99.1 Build.** Multiply.",
    stub="def project(x, w):\n    ...  # your line",
    name="project",
    solution=project,
    wrong=(Wrong(clamped, "you clamp what may be negative."), Wrong(None, "never like this")),
    hints=("a nudge.", "nearly all."),
    because="rows times columns.",
    inputs=matrices,
)


class Halve(nn.Module):
    """Halve the input."""

    def forward(self, x):
        return x / 2


HALVE = replace(
    PROJECT,
    number="99.2",
    stub="class Halve(nn.Module):\n    def forward(self, x):\n        ...  # your line",
    name="Halve",
    solution=Halve,
    wrong=(),
    inputs=lambda generator: (normal(generator, 4),),
    probe=lambda answer, x: answer()(x),
)


def ratio():
    """Return a number that is 2 within a few thousandths."""
    return 2 + 0.001 * torch.rand(()).item()


RATIO = replace(
    PROJECT,
    number="99.3",
    stub="answer = None",
    name="answer",
    solution=ratio,
    wrong=(Wrong(4.0, "you squared it."),),
    inputs=None,
    rtol=0.01,
)


SMALL = {exercise.number: exercise for exercise in (PROJECT, HALVE, RATIO)}


# Answers for a tight limit lie here: the other process has to import their module first.


def endless(x, w):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    while True:
        print("still here " * 100)


def asleep(x, w):
    time.sleep(60)


def cell(code, **names):
    """Run code as a notebook cell: in __main__, with its source known to linecache."""
    file = f"/tmp/ipykernel_1/{secrets.randbits(32)}.py"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    space = {"torch": torch, "nn": nn, **names, "__name__": "__main__"}
    exec(compile(code, file, "exec"), space)
    return space


def workers():
    """The processes that run answers, and their children; not those of other test files."""
    ours = [child for child in psutil.Process().children() if limits.BOOT in child.cmdline()]
    return [process for worker in ours for process in (worker, *worker.children(recursive=True))]
