"""What pytest sets up for every test and every notebook: surroundings of its own.

The user's settings stay the user's. A backend or a style of Matplotlib's, a profile of IPython's, a
home that cannot be written to, `helpers` of his own: none of them reaches a kernel or a test.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
FOLDERS = ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
UNWANTED = (
    "MPLBACKEND",  # the kernel then chooses inline
    "MATPLOTLIBRC",
    "PYTHONOPTIMIZE",  # would remove every assertion
    "PYTHONPATH",  # may lead to other `helpers` or `exercises` than the installed ones
    "PYTHONSTARTUP",
)
WEEKLY = "takes half an hour: the weekly job runs it, and so does WEEKLY=1 make test"
SLOWEST_FIRST = (
    "test_every_cell_twice.py",
    "11_lenet.ipynb",
    "12_modern_lenet.ipynb",
    "16_transfer_learning.ipynb",
    "17_scaling_out.ipynb",
    "13_save_load.ipynb",
    "14_devices.ipynb",
    "15_precision_and_memory.ipynb",
    "test_train.py",
    "test_lone_notebook.py",
    "test_limits.py",
    "test_chapters.py",
)


def is_worker() -> bool:
    """Whether this is a process of pytest-xdist, which inherits what the first one set up."""
    return "PYTEST_XDIST_WORKER" in os.environ


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment variables for tests and kernels; ``folder`` is empty and theirs."""
    return {
        **{name: str(folder / name.lower()) for name in FOLDERS},
        # Two trainings at once on two cores: with two threads each they would wait for each other.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def pytest_configure(config: pytest.Config) -> None:
    """Say how outputs are compared, from whichever folder pytest was started; move in."""
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "nbval_sanitize.cfg")
    if is_worker():
        return
    folder = Path(tempfile.mkdtemp(prefix="from-backprop-to-lenet-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    for name in UNWANTED:
        if (name, os.environ.get(name)) != ("PYTHONPATH", str(ROOT)):  # a second working tree's own
            os.environ.pop(name, None)
    os.environ.update(surroundings(folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is run weekly; begin with the files that take longest.

    Those at the end would leave one worker alone with the last of them.
    """
    for item in items:
        if item.get_closest_marker("weekly") and not os.environ.get("WEEKLY"):
            item.add_marker(pytest.mark.skip(reason=WEEKLY))
    order = {name: place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
