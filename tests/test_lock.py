"""make lock, with the real uv and a small package index in a folder."""

import importlib.util
import zipfile

import pytest
from project_files import ROOT

spec = importlib.util.spec_from_file_location("lock", ROOT / ".ci" / "lock.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

PROJECT = """\
[build-system]
requires = ["builder==1.0"]
[project]
name = "small"
version = "0"
requires-python = ">=3.11"
dependencies = [{dependencies}]
[project.optional-dependencies]
dev = ["builder", "tested"]
"""


def publish(index, name, version, *requires):
    """Put a wheel without content into the index."""
    (index / name).mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    with zipfile.ZipFile(index / name / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    links = [f'<a href="{path.name}">{path.name}</a>' for path in (index / name).glob("*.whl")]
    (index / name / "index.html").write_text("\n".join(links))


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index with two versions of `direct`; on Windows it brings one package more."""
    folder = tmp_path / "index"
    for version in "1.0", "2.0":
        publish(folder, "direct", version, "along", "windows; sys_platform == 'win32'")
    publish(folder, "builder", "2.0")
    for name in "along", "builder", "tested", "windows":
        publish(folder, name, "1.0")
    monkeypatch.setattr(tool, "INDEX", folder.as_uri())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def project(tmp_path, index):
    """A project that is locked to direct 1.0."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT.format(dependencies='"direct"'))
    (folder / "requirements.txt").write_text("direct==1.0\n-e .\n")
    return folder


def locked(project, *arguments):
    """Lock, and return the lines that pin."""
    assert tool.main(arguments, root=project) == 0
    lines = (project / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "==" in line]


ALONG = ["tested==1.0", "windows==1.0 ; sys_platform == 'win32'"]


def test_what_comes_along_is_pinned_on_every_system(project):
    assert locked(project) == ["along==1.0", "builder==1.0", "direct==1.0", *ALONG]
    text = (project / "requirements.txt").read_text(encoding="utf-8")
    assert text.startswith("# Everything that gets installed")
    assert 'Python>=3.11 ; python_version < "3.11"\n' in text
    assert text.endswith("\n-e .\n")


def test_only_an_upgrade_moves_what_need_not_move(project, index):
    locked(project)
    publish(index, "along", "1.1")
    assert locked(project) == ["along==1.0", "builder==1.0", "direct==1.0", *ALONG]
    assert locked(project, "--upgrade") == ["along==1.1", "builder==1.0", "direct==2.0", *ALONG]


def test_a_new_range_moves_its_package_alone(project, index):
    locked(project)
    publish(index, "along", "1.1")
    (project / "pyproject.toml").write_text(PROJECT.format(dependencies='"direct>=1.5"'))
    assert locked(project) == ["along==1.0", "builder==1.0", "direct==2.0", *ALONG]


def test_the_package_is_built_with_what_is_pinned(project):
    """Even an upgrade keeps to what pip fetches for the build, which no pin can tell it."""
    assert "builder==1.0" in locked(project, "--upgrade")


def test_a_wanted_version_is_taken(project):
    """The CI job with the oldest torch asks for it so."""
    locked(project, "--upgrade")
    assert locked(project, "direct==1.0") == ["along==1.0", "builder==1.0", "direct==1.0", *ALONG]


def test_the_users_own_indexes_have_no_say(project, tmp_path, monkeypatch):
    publish(tmp_path / "mine", "direct", "9.0")
    (project / "uv.toml").write_text(f'extra-index-url = ["{(tmp_path / "mine").as_uri()}"]\n')
    monkeypatch.setenv("UV_EXTRA_INDEX_URL", (tmp_path / "mine").as_uri())
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "mine" / "direct"))
    monkeypatch.chdir(project)
    assert locked(project, "--upgrade") == ["along==1.0", "builder==1.0", "direct==2.0", *ALONG]


def test_without_an_answer_the_old_lock_stays(project, capfd):
    before = (project / "requirements.txt").read_bytes()
    (project / "pyproject.toml").write_text(PROJECT.format(dependencies='"direct>=3"'))
    assert tool.main([], root=project) == 1
    assert "requirements.txt is unchanged" in capfd.readouterr().err
    assert (project / "requirements.txt").read_bytes() == before
