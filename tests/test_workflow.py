"""The workflow: its steps run here as they run there."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project_files import PYTHONS, RANGES, ROOT, lower_bound, read
from test_lock import PROJECT, publish
from test_makefile import phony_targets

WORKFLOW = yaml.safe_load(read(".github/workflows/ci.yml"))
JOB = WORKFLOW["jobs"]["test"]
VERSIONS = {entry["versions"]: entry for entry in JOB["strategy"]["matrix"]["include"]}


def step(name):
    (found,) = (step for step in JOB["steps"] if step.get("name") == name)
    return found


def step_with(setting):
    (found,) = (step for step in JOB["steps"] if setting in step.get("with", {}))
    return found


def run_step(name, folder, **variables):
    """Run a step's script in a folder, as the workflow does."""
    subprocess.run(
        ["bash", "-e", "-c", step(name)["run"]], cwd=folder, env=os.environ | variables, check=True
    )


needs_bash = pytest.mark.skipif(
    os.name == "nt" or shutil.which("bash") is None, reason="bash is not installed"
)


def test_the_oldest_job_runs_the_lower_bounds():
    oldest = VERSIONS["oldest"]
    assert oldest["python"] == lower_bound(PYTHONS)
    assert oldest["lock"].split() == [
        f"{name}=={lower_bound(RANGES[name][0].specifier)}.0" for name in ("torch", "torchvision")
    ]


def test_the_newest_job_runs_the_pins_and_weekly_the_newest_of_everything():
    assert set(VERSIONS["newest"]) == {"versions", "python"}
    locking = step("Lock this job's versions")
    assert locking["if"] == "matrix.lock || github.event_name == 'schedule'"
    assert locking["env"] == {"LOCK": "${{ matrix.lock || '--upgrade' }}"}


def test_workflow_runs_everywhere_and_weekly():
    systems = {name.split("-")[0] for name in JOB["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    triggers = WORKFLOW[True]  # YAML reads the key `on` as true
    assert {"push", "pull_request", "schedule"} <= set(triggers)
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_what_a_test_run_leaves_out_the_weekly_job_runs():
    left_out = "WEEKLY", "LONE_NOTEBOOK_INDEX"
    scheduled = "${{ github.event_name == 'schedule' && '1' || '' }}"
    assert step("Test")["env"] == dict.fromkeys(left_out, scheduled)


def test_what_the_caches_depend_on_exists():
    """The hash of a file that is not there never changes, and nor would the cached data set."""
    names = re.findall(r"hashFiles\('(.*?)'\)", read(".github/workflows/ci.yml"))
    names += step_with("cache-dependency-path")["with"]["cache-dependency-path"].split()
    assert names and all((ROOT / name).is_file() for name in names)


def test_workflow_calls_make_targets():
    calls = [re.findall(r"^make (\w+)$", step.get("run", ""), re.M) for step in JOB["steps"]]
    called = {target for targets in calls for target in targets}
    assert {"lint", "test"} <= called <= phony_targets()


def test_the_website_is_tried_and_then_published_from_main_alone():
    site, publish_job = WORKFLOW["jobs"]["site"], WORKFLOW["jobs"]["publish"]
    (browse,) = (step for step in site["steps"] if step.get("run") == "make browse")
    assert browse["env"]["WEEKLY"] == step("Test")["env"]["WEEKLY"]
    (handed_over,) = (step for step in site["steps"] if "path" in step.get("with", {}))
    assert handed_over["with"]["path"] == "build/site"
    assert publish_job["needs"] == ["test", "site"]
    on_main = "github.ref == 'refs/heads/main' && github.event_name != 'pull_request'"
    assert handed_over["if"] == publish_job["if"] == on_main
    assert publish_job["permissions"] == {"pages": "write", "id-token": "write"}
    assert "permissions" not in site


@pytest.fixture
def small_project(tmp_path, monkeypatch):
    """A project with a lock like ours, and an index in a folder with one newer torch."""
    index, folder = tmp_path / "index", tmp_path / "project"
    for name, *versions in ("torch", "2.10.0", "2.15.0", "2.16.0"), ("torchvision", "0.25.0"):
        for version in versions:
            publish(index, name, version)
    publish(index, "uv", importlib.metadata.version("uv"))
    (folder / ".ci").mkdir(parents=True)
    lock = read(".ci/lock.py").replace("https://pypi.org/simple", index.as_uri())
    (folder / ".ci" / "lock.py").write_text(lock, encoding="utf-8")
    dependencies = '"torch", "torchvision", "uv"'
    project = PROJECT.format(dependencies=dependencies).replace('"builder", "tested"', "")
    (folder / "pyproject.toml").write_text(project)
    pins = [f"uv=={importlib.metadata.version('uv')}", "torch==2.15.0", "torchvision==0.25.0"]
    (folder / "requirements.txt").write_text("\n".join([*pins, "-e .\n"]))
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    return folder


@needs_bash
def test_the_locking_step_takes_the_versions_of_the_job(small_project):
    run_step("Lock this job's versions", small_project, LOCK=VERSIONS["oldest"]["lock"])
    lines = (small_project / "requirements.txt").read_text(encoding="utf-8").splitlines()
    uv = f"uv=={importlib.metadata.version('uv')}"
    assert lines[-4:] == ["torch==2.10.0", "torchvision==0.25.0", uv, "-e ."]


CHAPTERS = [f"exercises.{path.stem}" for path in sorted(ROOT.glob("exercises/chapter_*.py"))]
WARN = "import warnings; exec(compile({code!r}, 'x.py', 'exec'), {{'__name__': {module!r}}})"


@needs_bash
@pytest.mark.parametrize(
    ("module", "category", "message", "fails"),
    [
        ("__main__", "DeprecationWarning", "old() is deprecated", True),
        ("helpers", "DeprecationWarning", "old() is deprecated", True),
        ("exercises.limits", "DeprecationWarning", "old() is deprecated", True),
        ("helpers.data", "DeprecationWarning", "old() is deprecated", True),
        (CHAPTERS[0], "DeprecationWarning", "old() is deprecated", True),
        (CHAPTERS[-1], "DeprecationWarning", "old() is deprecated", True),
        ("torch.nn", "DeprecationWarning", "`torch.old` is deprecated", True),
        ("torch.nn", "FutureWarning", "old() is deprecated", True),
        ("some.library", "DeprecationWarning", "old() is deprecated", False),
        ("__main__", "UserWarning", "old() is odd", False),
    ],
)
def test_the_weekly_filters_make_our_deprecations_errors(
    tmp_path, module, category, message, fails
):
    run_step("Turn deprecation warnings into errors", ROOT, GITHUB_ENV=str(tmp_path / "env"))
    filters = (tmp_path / "env").read_text(encoding="utf-8").strip().partition("=")[2]
    code = f"import warnings; warnings.warn({message!r}, {category})"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", WARN.format(code=code, module=module)],
        env=os.environ | {"PYTHONWARNINGS": filters},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode == 1) == fails, ran.stderr
    assert message in ran.stderr or not fails
    assert "Invalid -W option" not in ran.stderr
