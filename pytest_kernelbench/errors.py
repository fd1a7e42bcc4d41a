"""Everything that can go wrong other than the kernel itself.

A bad kernel is a verdict, not an exception. Messages are one line: what was wrong,
where, and what would work.
"""

from __future__ import annotations


class KernelBenchError(Exception):
    """Base of all errors raised by this package."""


class SettingError(KernelBenchError):
    """An option, ini key or directive has a value that cannot be used."""


class KernelFileError(KernelBenchError):
    """A kernel file cannot be read as one."""


class MappingError(KernelBenchError):
    """No problem, or more than one, belongs to a kernel."""


class ProblemError(KernelBenchError):
    """The problem itself is broken: not the kernel's fault."""


class ProblemSourceError(KernelBenchError):
    """A source of problems cannot be opened."""


class ExecutorError(KernelBenchError):
    """The evaluation could not be carried out: not the kernel's fault."""


class ReportError(KernelBenchError):
    """A report cannot be written."""


class RunFileError(KernelBenchError):
    """A saved run cannot be read."""


class GitHubError(KernelBenchError):
    """What a workflow asked for could not be done."""


class RepositoryError(KernelBenchError):
    """Git cannot say what a kernel was before."""
