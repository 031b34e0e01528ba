"""What the reader has written: its functions, the files they come from, whether there is any."""

import dis
import functools
import inspect
import types
from typing import Any

from exercises.exercise import Exercise


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
    codes = {name: function.__code__ for name, function in functions_of(answer).items()}
    stub = _codes_of_stub(exercise)
    return all(_is_blank(codes[name]) or _is_same(codes[name], stub.get(name)) for name in codes)


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
