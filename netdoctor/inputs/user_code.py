"""Import and call the user's own code; what it raises becomes one message. No torch."""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from netdoctor.errors import NetDoctorError

_FRAMES = 4  # lines of the user that a message tells
_LONGEST = 2000  # characters of an exception's text
_LIBRARIES = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
_NOT_THE_USERS = tuple(
    os.path.realpath(folder) + os.sep for folder in (str(Path(__file__).parents[1]), *_LIBRARIES)
)


def import_object(spec: str, *, what: str, error: type[NetDoctorError]) -> Any:
    """The object that `package.module:attribute` or `path/to/file.py:attribute` names.

    The working directory and the file's folder become importable, and a file is imported under
    its real name, so that worker processes find it again.

    Args:
        spec: where the object is; the attribute may be dotted.
        what: what the object is for, as the message shall call it: "model", "data".
        error: the kind of error to raise.

    Raises:
        NetDoctorError: of the kind `error`; nothing is found there, or importing it fails.
    """
    if is_web_address(spec):
        raise error(
            f"The {what} {spec} is a web address, which netdoctor does not fetch.",
            hint="Download it first, and give the path of the file.",
        )
    location, colon, attribute = spec.rpartition(":")
    if colon and not location:
        raise error(
            f"The {what} {spec} does not say which module or file it is in.",
            hint=f"Put it before the colon: my_module{spec} or path/to/file.py{spec}",
        )
    if not colon or not attribute:
        raise _without_attribute(spec.rstrip(":"), what, error)
    _make_importable(Path.cwd())
    if location.endswith(".py"):
        module = _import_file(Path(location), spec, what, error)
    elif "/" in location:
        meant = f"{location}.py"
        raise error(
            f"The {what} {spec} was not found: {location} is a path that does not end in .py.",
            hint=f"Did you mean {meant}:{attribute}?"
            if Path(meant).is_file()
            else "Give path/to/file.py:name.",
        )
    else:
        module = _import_module(location, spec, what, error)
    return _attribute(module, attribute, spec, what, error)


def call_user(
    function: Callable[..., Any],
    *args: Any,
    spec: str,
    error: type[NetDoctorError],
    **kwargs: Any,
) -> Any:
    """What `function(*args, **kwargs)` returns.

    Raises:
        NetDoctorError: of the kind `error`; the function raised or called `sys.exit`.
    """
    with guarded(spec, error):
        return function(*args, **kwargs)


def _fix_it(exception: BaseException) -> str:
    if isinstance(exception, SystemExit):
        return "Put what ends the program behind `if __name__ == '__main__':`."
    if isinstance(exception, ModuleNotFoundError) and exception.name:
        where = f"for the Python that runs netdoctor ({sys.executable})"
        return f"Install {exception.name} {where}, or run from the folder that holds it."
    return "Fix the error there; --traceback shows the whole way to it."


@contextlib.contextmanager
def guarded(
    subject: str, error: type[NetDoctorError], *, hint: Callable[[BaseException], str] = _fix_it
) -> Iterator[None]:
    """Turns what user code raises inside the block into `error`.

    Ctrl-C and a lack of memory pass: they are nobody's fault there.

    Args:
        subject: what the message says raised, `my_module:factory`.
        error: the kind of error to raise.
        hint: says what to do about what was raised.
    """
    try:
        yield
    except (NetDoctorError, MemoryError):
        raise
    except (Exception, SystemExit) as exception:
        if type(exception).__name__ == "OutOfMemoryError":  # torch's, which is not imported here
            raise
        raise error(f"{subject} raised {describe(exception)}", hint=hint(exception)) from exception


def describe(exception: BaseException) -> str:
    """The exception's type and text, where in the model it was, and the user's own lines.

    The lines are innermost first; `raised_in` is what `observe` writes on an exception.
    """
    if isinstance(exception, SystemExit):
        text = f"SystemExit (sys.exit({exception.code!r}) was called)"
    else:
        name, said = type(exception).__name__, _said(exception)
        text = f"{name}: {said}" if said else name
    text += getattr(exception, "raised_in", "")
    where = _users_frames(exception)
    return f"{text} (at {where})" if where else text


def _said(exception: BaseException) -> str:
    """The exception's text, of a very long one its beginning."""
    try:
        text = str(exception)
    except Exception as error:
        return f"(its text cannot be had: {type(error).__name__})"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … ({len(text)} characters)"


def kind_of(value: Any) -> str:
    """What a value is, with its article: `an int`, `the class Net`, `a Python module`, `None`."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = "Python module" if isinstance(value, ModuleType) else type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def is_web_address(text: str) -> bool:
    """Whether it is the address of something on a server, `https://…` or `s3://…`."""
    return re.match(r"[a-z][a-z0-9+.-]+:/", text, re.IGNORECASE) is not None


def near_misses(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests similar names, or an empty string."""
    close = difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def near_paths(path: Path) -> str:
    """A sentence that suggests what stands beside a path that does not exist, or nothing."""
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        path, parent = parent, parent.parent
    try:
        beside = [entry.name for entry in parent.iterdir() if entry != path]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(str(parent / name) for name in close)}?" if close else ""


def _users_frames(exception: BaseException) -> str:
    if isinstance(exception, SyntaxError) and exception.filename:
        return f"{exception.filename}:{exception.lineno}"
    frames = [
        frame
        for frame in traceback.extract_tb(exception.__traceback__)
        if not frame.filename.startswith("<")
        and not os.path.realpath(frame.filename).startswith(_NOT_THE_USERS)
    ]
    if not frames:
        return ""
    told = [
        f"{frame.filename}:{frame.lineno}"
        + ("" if frame.name.startswith("<") else f" in {frame.name}")
        for frame in frames[::-1]
    ]
    rest = f", and {len(told) - _FRAMES} more" if len(told) > _FRAMES else ""
    return ", called from ".join(told[:_FRAMES]) + rest


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _import_file(path: Path, spec: str, what: str, error: type[NetDoctorError]) -> ModuleType:
    path = path.expanduser()
    if not path.is_file():
        raise error(
            f"The {what} {spec} was not found: there is no file {path}.",
            hint=near_paths(path)
            or f"Check the path; it is relative to the working directory, {Path.cwd()}.",
        )
    path = path.resolve()
    root, name = path.parent, path.stem
    while (root / "__init__.py").is_file():
        name = f"{root.name}.{name}"
        root = root.parent
    _make_importable(path.parent)
    _make_importable(root)
    name = name.removesuffix(".__init__")
    with guarded(f"Importing {path}", error):
        if _is_at(sys.modules.get(name), path):
            return sys.modules[name]
        importlib.invalidate_caches()
        if name not in sys.modules and _finds(name, path):
            return importlib.import_module(name)
        return _import_as(f"netdoctor_user_{path.stem}", path)


def _is_at(module: ModuleType | None, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path


def _finds(name: str, path: Path) -> bool:
    try:
        found = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return False
    return found is not None and found.origin is not None and Path(found.origin).resolve() == path


def _import_as(name: str, path: Path) -> ModuleType:
    """Imports a file whose own name belongs to another module already."""
    if _is_at(sys.modules.get(name), path):
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(name: str, spec: str, what: str, error: type[NetDoctorError]) -> ModuleType:
    with guarded(f"Importing {name}", error):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name is None or not f"{name}.".startswith(f"{missing.name}."):
                raise
            parent = missing.name.rpartition(".")[0]
            raise error(
                f"The {what} {spec} was not found: there is no module {missing.name}.",
                hint=near_misses(missing.name, _modules_in(parent))
                or "Run from the folder that holds it, install it, or give path/to/file.py:name.",
            ) from None


def _modules_in(package: str) -> list[str]:
    if not package:
        return [module.name for module in pkgutil.iter_modules()]
    paths = getattr(sys.modules.get(package), "__path__", None)
    return [f"{package}.{module.name}" for module in pkgutil.iter_modules(paths)] if paths else []


def _attribute(
    module: ModuleType, dotted: str, spec: str, what: str, error: type[NetDoctorError]
) -> Any:
    found: Any = module
    place = module.__name__
    for name in dotted.split("."):
        public = [known for known in dir(found) if not known.startswith("_")]
        with guarded(f"Reading {name} of {place}", error):
            if not hasattr(found, name):
                raise error(
                    f"The {what} {spec} was not found: {place} has no {name}.",
                    hint=near_misses(name, public) or _what_there_is(found, place),
                )
            found = getattr(found, name)
        place = f"{place}.{name}"
    return found


def _what_there_is(found: Any, place: str) -> str:
    own = [
        name
        for name, value in getattr(found, "__dict__", {}).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == place
    ]
    return f"{place} defines {', '.join(own[:8])}." if own else "Check the name after the colon."


def _without_attribute(spec: str, what: str, error: type[NetDoctorError]) -> NetDoctorError:
    names: list[str] = []
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        tree = ast.parse(Path(spec).read_text(encoding="utf-8"))
        definitions = (ast.FunctionDef, ast.ClassDef)
        names = [node.name for node in tree.body if isinstance(node, definitions)]
    public = [name for name in names if not name.startswith("_")]
    hint = f"Add a colon and the name: {spec}:{public[0] if public else 'NAME'}"
    if len(public) > 1:
        hint += f" (it defines {', '.join(public[:8])})"
    return error(f"The {what} {spec} does not say which object in it to use.", hint=f"{hint}.")
