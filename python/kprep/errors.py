"""What can be wrong, as exceptions. Their text is what the command prints."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NoReturn


@dataclass(frozen=True)
class Problem:
    """One problem, with its place in fields; None where one does not apply."""

    id: str
    message: str
    expected: str | None = None
    found: str | None = None
    file: str | None = None
    sample: int | None = None
    stage: str | None = None
    array: str | None = None
    axis: str | None = None
    line: int | None = None
    column: int | None = None
    help: str | None = None
    count: int | None = None
    sampled: bool = False
    exit: int = 1
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields that apply, as `kprep --json` has them."""
        own = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: value for name, value in own
                if value not in (None, False, "") and name not in ("exit", "text")}

    def __str__(self) -> str:
        return self.text or f"kprep: error[{self.id}]: {self.message}"


class Error(Exception):
    """Something kprep refuses or can't do. `problems` says what, one by one."""

    exit = 2

    def __init__(self, problems: list[Problem], report: str = "") -> None:
        self.problems = problems
        self.report = report
        super().__init__(report + "\n".join(str(problem) for problem in problems))

    def __reduce__(self):
        return type(self), (self.problems, self.report)


class SpecError(Error):
    """The data does not fit what the model declares."""

    exit = 1


class JobError(Error, ValueError):
    """An argument, the job or the spec is wrong, or the folder holds another job."""

    exit = 2


class InputError(Error, OSError):
    """Input is missing or can't be read."""

    exit = 3
    __str__ = Exception.__str__


class OutputError(Error, OSError):
    """Output can't be written."""

    exit = 4
    __str__ = Exception.__str__


class Interrupted(Error):
    """Stopped on request; what is finished is kept."""

    exit = 130


class IntegrityError(Error):
    """A written data set is not what was written."""

    exit = 1


_CLASSES: dict[int, type[Error]] = {
    kind.exit: kind for kind in (SpecError, JobError, InputError, OutputError, Interrupted)}


def fail(problems: list[dict[str, Any]], hide: str = "", report: str = "") -> NoReturn:
    """Raises the error that the worst of the problems stands for; `hide` is a folder of ours."""
    def shown(value: Any) -> Any:
        return value.replace(hide, "") if hide and isinstance(value, str) else value

    known = {f.name for f in fields(Problem)}
    made = [Problem(**{k: shown(v) for k, v in one.items() if k in known}) for one in problems]
    worst = max(problem.exit for problem in made)
    raise _CLASSES.get(worst, Error)(made, shown(report)) from None
