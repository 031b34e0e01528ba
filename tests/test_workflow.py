"""The workflow: its steps run here as they run there."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from project_files import PYTHONS, RANGES, ROOT, lower_bound, read
from test_makefile import phony_targets

WORKFLOW = yaml.safe_load(read(".github/workflows/ci.yml"))
JOB = WORKFLOW["jobs"]["test"]
VERSIONS = {entry["versions"]: entry for entry in JOB["strategy"]["matrix"]["include"]}


def step(name):
    (found,) = (step for step in JOB["steps"] if step.get("name") == name)
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
    for name in ("torch", "torchvision"):
        assert oldest[name] == lower_bound(RANGES[name].specifier) + ".0"


def test_the_newest_job_runs_the_pins():
    assert set(VERSIONS["newest"]) == {"versions", "python"}


def test_workflow_runs_everywhere_and_weekly():
    systems = {name.split("-")[0] for name in JOB["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    triggers = WORKFLOW[True]  # YAML reads the key `on` as true
    assert {"push", "pull_request", "schedule"} <= set(triggers)
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_workflow_calls_make_targets():
    calls = [re.findall(r"^make (\w+)$", step.get("run", ""), re.M) for step in JOB["steps"]]
    called = {target for targets in calls for target in targets}
    assert {"lint", "test"} <= called <= phony_targets()


@needs_bash
def test_the_pinning_step_leaves_consistent_requirements(tmp_path):
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    oldest = VERSIONS["oldest"]
    variables = {name.upper(): oldest[name] for name in ("torch", "torchvision")}
    run_step("Pin this job's torch", tmp_path, **variables)
    before = read("requirements.txt").splitlines()
    after = (tmp_path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert len(before) == len(after)
    changed = sorted(new for old, new in zip(before, after, strict=True) if old != new)
    assert set(changed) <= {f"{name}=={oldest[name]}" for name in ("torch", "torchvision")}
    assert [path.name for path in tmp_path.iterdir()] == ["requirements.txt"]


WARN = "import warnings; exec(compile({code!r}, 'x.py', 'exec'), {{'__name__': {module!r}}})"


@needs_bash
@pytest.mark.parametrize(
    ("module", "category", "message", "fails"),
    [
        ("__main__", "DeprecationWarning", "old() is deprecated", True),
        ("helpers.data", "DeprecationWarning", "old() is deprecated", True),
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
