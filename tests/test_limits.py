"""The other process: its limits, systems that give none, and what a reader's system is like."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import psutil
import pytest
import torch
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from small_exercises import asleep, endless, project, workers

from exercises import check, limits, tutor

ROOT = Path(__file__).resolve().parent.parent


# Endless and huge answers ------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "seconds"), [(endless, 0.5), (asleep, 0.1)])
def test_an_endless_answer_is_stopped(said, monkeypatch, answer, seconds):
    said("99.1", project)
    assert len(workers()) == 1
    monkeypatch.setattr(tutor, "SECONDS", seconds)
    begin = time.monotonic()
    out = said("99.1", answer)
    assert seconds <= time.monotonic() - begin < 30
    assert out.endswith(
        f"your code ran for more than {seconds} s; is there a loop that never ends?\n"
    )
    assert len(out) < 2200
    assert workers() == []


def test_a_right_answer_may_be_kept_waiting_by_other_programs(said, monkeypatch):
    """Or a busy computer would call it an endless loop: time counts that is spent computing."""

    def kept_waiting(x, w):
        time.sleep(0.2)
        return x @ w

    monkeypatch.setattr(tutor, "SECONDS", 0.5)  # it is called three times
    monkeypatch.setattr(limits, "PATIENCE", 100)
    assert "is right: " in said("99.1", kept_waiting)


def test_a_huge_answer_is_stopped(said, monkeypatch):
    def huge(x, w):
        kept = []
        while True:
            kept.append(torch.ones(10**6))

    monkeypatch.setattr(tutor, "MEMORY", 2**28)
    assert "your code needed more than 0.25 GiB of memory" in said("99.1", huge)
    assert workers() == []


def test_a_process_that_dies_is_reported(said):
    assert "your code ended the process that ran it" in said("99.1", lambda x, w: os._exit(0))
    assert workers() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_an_answer_that_forks_is_judged_once(said, monkeypatch):
    """Or its copy would answer as well, and the next check would hear that."""

    def forking(x, w):
        os.fork()
        return x @ w

    monkeypatch.setattr(tutor, "MEMORY", 2**40)  # what the copies share counts for each
    assert "is right: " in said("99.1", forking)
    assert workers() == []


def test_threads_that_an_answer_leaves_do_not_stay(said):
    def leaving(x, w):
        threading.Thread(target=time.sleep, args=(60,)).start()
        return x @ w

    assert "is right: " in said("99.1", leaving)
    assert workers() == []


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_an_interrupt_stops_the_answer_and_is_passed_on(known_exercises, capfd, ctrl_c_arrives):
    import signal

    check("99.1", project)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        check("99.1", endless)
    assert workers() == []
    check("99.1", project)
    assert capfd.readouterr().out.endswith(" is right: rows times columns.\n")


# Answers that cannot be sent ---------------------------------------------------------------------


def test_an_answer_that_cannot_be_sent_is_reported_and_not_called_wrong(said):
    lock = threading.Lock()
    answer = said("99.1", lambda x, w: x @ w if lock else 0)
    words = "your code uses lock, a lock, which cannot be sent to the process"
    assert answer.startswith(f"99.1 could not be checked: {words}")
    assert answer.endswith("TypeError: cannot pickle '_thread.lock' object.\n")
    assert "is right: " in said("99.1", project)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="torch.jit knows no newer Python")
def test_a_scripted_function_is_named_with_the_cure(said):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        scripted = torch.jit.script(project)
    words = (
        "99.1 could not be checked: your code is a ScriptFunction, which cannot be sent to the "
        "process that checks it: pass a plain function ("
    )
    assert said("99.1", scripted).startswith(words)


# A system that gives no process ------------------------------------------------------------------


def test_a_process_that_has_ended_gives_way_to_a_new_one(said, monkeypatch, no_process_yet):
    """It ends after ten idle minutes, or by the hand of a user who looks for memory."""
    dead = limits._Worker()
    dead.process.kill()
    limits._kept.append(dead)
    monkeypatch.setattr(sys, "path", [])  # the new one will not come far
    assert " does not start (ModuleNotFoundError: No module named " in said("99.1", project)
    assert limits._kept == [] and dead.process.returncode is not None


def test_a_python_that_cannot_be_started_is_reported(said, monkeypatch, tmp_path, no_process_yet):
    """The reader's answer is not called wrong, and he is told what to do."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    words = (
        r"99\.1 could not be checked: a second Python, .*, does not start \(.*\); .* try again\.\n"
    )
    assert re.fullmatch(words, said("99.1", project))


@pytest.mark.skipif(os.name == "nt", reason="needs limits on open files")
def test_too_many_open_files_are_reported(said, no_process_yet):
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        assert "does not start ([Errno 24] " in said("99.1", project)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# Other systems -----------------------------------------------------------------------------------


@pytest.fixture
def project_folder(tmp_path):
    """A copy of the project in a folder whose name has spaces and umlauts."""
    folder = tmp_path / "Übungen für zwei"
    for package in ("helpers", "exercises"):
        shutil.copytree(ROOT / package, folder / package)
    return folder


SITE = """
import _multiprocessing
del _multiprocessing.SemLock  # a system without semaphores
print("what a user's own sitecustomize prints")
"""


SCRIPT = """
import sys, time, traceback, torch
sys.excepthook = lambda *error: traceback.print_exception(*error, file=open("error.txt", "w"))
assert sys.stdout is sys.stderr is None
state, begin = torch.get_rng_state(), time.process_time()
from exercises import check, hint, solution
assert time.process_time() - begin < 2
assert torch.equal(state, torch.get_rng_state())
assert not any("chapter_" in name for name in sys.modules)

def leaky_relu_backward(grad, h, slope):
    print("≈ ł \\ud800")
    raise ValueError("2 × 3 … ≈")

check("2.2", leaky_relu_backward), hint("2.2"), solution("2.2")
for encoding in "cp1252", "ascii", "utf-8":
    with open(encoding, "w", encoding=encoding) as sys.stdout:
        check("2.2", leaky_relu_backward)
sys.stdout = None
"""


SAID = (
    "≈ ł \ud800\n"
    "2.2 is not right yet: your code raised ValueError: 2 × 3 … ≈ in line 13: "
    'raise ValueError("2 × 3 … ≈")\n'
)


WITHOUT_STREAMS = """
import os, sys
os.closerange(0, 3)
os.execv(sys.executable, [sys.executable, "script.py"])
"""


@pytest.mark.skipif(os.name == "nt", reason="closes the streams as a shell does")
def test_a_system_without_streams_semaphores_and_unicode(project_folder):
    """Nothing is raised, and what the code page lacks is escaped.

    On the way: the import is quick, and draws no random number.
    """
    (project_folder / "sitecustomize.py").write_text(SITE)
    (project_folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": "."}
    command = [sys.executable, "-c", WITHOUT_STREAMS]
    ran = subprocess.run(
        command, cwd=project_folder, env={**os.environ, **settings}, timeout=300, check=False
    )
    error = project_folder / "error.txt"
    assert ran.returncode == 0, error.read_text() if error.exists() else ""
    for encoding in ("cp1252", "ascii", "utf-8"):
        text = SAID.encode(encoding, "backslashreplace").decode(encoding)
        assert (project_folder / encoding).read_text(encoding) == text


CELLS = [
    "import exercises, mine\nfrom exercises import check, tutor",
    "def helper(grad):\n    return grad.nonsense",
    "def leaky_relu_backward(grad, h, slope):\n    return helper(grad)",
    'check("2.2", leaky_relu_backward)',
    'check("2.2", lambda grad, h, slope: mine.helper(grad))',
    "%%time\ndef leaky_relu_backward(grad, h, slope):\n    return grad.nonsense",
    'check("2.2", leaky_relu_backward)',
    "def leaky_relu_backward(grad, h, slope):\n    raise ValueError(exercises.__file__)",
    'check("2.2", leaky_relu_backward)',
    'import os\nos.mkdir("gone")\nos.chdir("gone")\nos.name == "nt" or os.rmdir("../gone")',
    'check("2.2", tutor.find("2.2").solution)',
]


@pytest.fixture
def kernel(project_folder, tmp_path):
    """A real kernel, started in the project's folder, with nothing installed and no settings."""
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    (tmp_path / "specs" / "plain").mkdir(parents=True)
    text = json.dumps({**spec, "display_name": "plain", "language": "python"})
    (tmp_path / "specs" / "plain" / "kernel.json").write_text(text)
    specs = KernelSpecManager(kernel_dirs=[str(tmp_path / "specs")], ensure_native_kernel=False)
    manager = KernelManager(
        kernel_name="plain", kernel_spec_manager=specs, connection_file=str(tmp_path / "ports.json")
    )
    manager.start_kernel(cwd=project_folder, env={**os.environ, "IPYTHONDIR": str(tmp_path)})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=300)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_in_a_kernel(project_folder, kernel):
    """As a reader has it: helpers in cells and modules, and a folder that he deletes meanwhile."""
    manager, client = kernel
    (project_folder / "mine.py").write_text("def helper(grad):\n    return grad.nonsense\n")
    said = []
    for code in CELLS:
        client.execute_interactive(code, timeout=300, output_hook=said.append)
    texts = "".join(m["content"].get("text", "") for m in said).splitlines()
    assert not [m["content"] for m in said if m["msg_type"] == "error"]
    in_cell, in_module, timed, folder, right = (line for line in texts if line.startswith("2.2 "))
    assert in_cell.endswith("in line 2: return grad.nonsense")
    assert in_module.endswith("in line 2 of mine.py: return grad.nonsense")
    assert timed.endswith("'nonsense' in line 3")
    assert f"ValueError: {project_folder / 'exercises'}" in folder  # not those of another project
    assert right.startswith("2.2 is right: ")
    children = psutil.Process(manager.provisioner.pid).children(recursive=True)
    its_workers = [child for child in children if "-c" in child.cmdline()]
    assert its_workers
    manager.shutdown_kernel(now=True)
    assert psutil.wait_procs(its_workers, timeout=30)[1] == []  # they end even with a killed one
