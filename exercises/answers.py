"""What the reader has written: its functions, the files they come from, whether there is any."""

import dis
import functools
import inspect
import linecache
import sysconfig
import types
from pathlib import Path
from typing import Any

import torch

import helpers
from exercises.exercise import Exercise

_LIBRARIES = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib")}
_LIBRARIES |= {Path(file).parent for file in (torch.__path__[0], helpers.__file__, __file__)}
LIBRARIES = {folder.resolve() for folder in _LIBRARIES}
INSTALLED = {"site-packages", "dist-packages"}  # there are more of them: the user's, the system's
TIMED = "<timed exec>"  # what IPython calls a cell that begins with %%time
INTERACTIVE = ("<ipython", "<stdin", "<python-input", TIMED)


def functions_of(answer: Any) -> dict[str, types.FunctionType]:
    """Return the functions in an answer by name: a function itself, or a class's methods.

    Args:
        answer: a function, a method, a partial, a class or an object; decorators are removed.
    """
    if isinstance(answer, functools.partial):
        return functions_of(answer.func)
    function = _unwrapped(answer)
    if isinstance(function, types.FunctionType):
        return {function.__name__: function}
    kind = answer if isinstance(answer, type) else type(answer)
    methods = {name: _unwrapped(part) for name, part in vars(kind).items()}
    return {name: m for name, m in methods.items() if isinstance(m, types.FunctionType)}


def _unwrapped(part: Any) -> Any:
    """Return the function inside a method, a static method or a decorated function."""
    function = getattr(part, "__func__", part)
    return inspect.unwrap(function) if callable(function) else function


def files_of(answer: Any) -> set[str]:
    """Return the files, or notebook cells, from which an answer's code comes."""
    return {function.__code__.co_filename for function in functions_of(answer).values()}


def uses_its_arguments(answer: Any) -> bool:
    """Whether a function reads an argument at all; True for all that is no plain function."""
    return not isinstance(answer, types.FunctionType) or _reads_an_argument(answer.__code__)


@functools.lru_cache(maxsize=1000)
def _reads_an_argument(code: types.CodeType) -> bool:
    stars = sum(bool(code.co_flags & flag) for flag in (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS))
    names = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + stars])
    loads = [step.argval for step in dis.get_instructions(code) if "LOAD_FAST" in step.opname]
    read = {name for load in loads for name in (load if isinstance(load, tuple) else (load,))}
    return not names or bool(names & {*read, *code.co_cellvars})


@functools.cache
def is_readers(file: str) -> bool:
    """Whether a file is neither one of a library nor ours; a notebook's cell is the reader's."""
    if file.startswith("<"):
        return file.startswith(INTERACTIVE)
    path = Path(file).resolve()
    return not (LIBRARIES & {*path.parents} or INSTALLED & {*path.parts})


def cells() -> dict[str, Any]:
    """Return the source of the notebook's cells, which are no files, as linecache keeps it."""
    entries = linecache.cache.items()
    return {name: entry for name, entry in entries if len(entry) == 4 and entry[1] is None}


def is_unsolved(exercise: Exercise, answer: Any) -> bool:
    """Whether an answer is None, has only blank bodies, or is still the stub.

    Args:
        exercise: the exercise.
        answer: what `check` received.
    """
    if answer is None or answer is Ellipsis:
        return True
    if not isinstance(answer, type | types.FunctionType):
        return False
    stub = _codes_of_stub(exercise)
    parts = _parts(answer, exercise.solution)
    return all(_is_as_given(part, stub.get(name)) for name, part in parts.items())


def _parts(answer: Any, solution: Any) -> dict[str, Any]:
    """Return a function itself, or all that can be called of a class by name.

    What it inherits from the reader's own classes counts, but not what any solution inherits.
    """
    if not isinstance(answer, type):
        return dict(functions_of(answer))
    given = solution.__mro__[1:] if isinstance(solution, type) else (object,)
    bodies = [vars(kind) for kind in reversed(answer.__mro__) if kind not in given]
    parts = {name: _unwrapped(part) for body in bodies for name, part in body.items()}
    return {n: part for n, part in parts.items() if callable(part) and not isinstance(part, type)}


def _is_as_given(part: Any, stub: types.CodeType | None) -> bool:
    """Whether a part of an answer is blank, or the same as in the stub."""
    if not isinstance(part, types.FunctionType):
        return False
    return _is_blank(part.__code__) or _is_same(part.__code__, stub)


def _is_blank(code: types.CodeType) -> bool:
    """Whether a body does nothing: `...`, `pass`, `return None` or a docstring."""
    return all(
        step.opname in ("RESUME", "NOP", "RETURN_VALUE")
        or (step.opname in ("LOAD_CONST", "RETURN_CONST") and step.argval is None)
        for step in dis.get_instructions(code)
    )


def _codes_of_stub(exercise: Exercise) -> dict[str, types.CodeType]:
    """Return the code of the stub's function, or of its class's methods, by name."""
    module = compile(exercise.stub, "<stub>", "exec", dont_inherit=True)
    code = _inner_codes(module).get(exercise.name)
    if code is None:
        return {}
    is_class = "__qualname__" in code.co_names
    return _inner_codes(code) if is_class else {code.co_name: code}


def _inner_codes(code: types.CodeType) -> dict[str, types.CodeType]:
    return {c.co_name: c for c in code.co_consts if isinstance(c, types.CodeType)}


def _is_same(code: types.CodeType, other: types.CodeType | None) -> bool:
    """Whether two pieces of code do the same, wherever they stand."""
    return other is not None and _essence(code) == _essence(other)


def _essence(code: types.CodeType) -> tuple[Any, ...]:
    constants = [_essence(c) if isinstance(c, types.CodeType) else c for c in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, repr(constants)
