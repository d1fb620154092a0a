"""How the command line ends with errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from gateway.cli.screen import print_error, sentence
from gateway.errors import ConfigurationError, ErrorCode, JournalError, RequestError, UpstreamError


@contextmanager
def errors_printed() -> Iterator[None]:
    """Print errors that are not defects as sentences, and exit."""
    try:
        yield
    except ConfigurationError as error:
        for problem in error.problems:
            print_error(problem)
        raise typer.Exit(2) from None
    except RequestError as error:
        print_error(str(error))
        raise typer.Exit(1 if error.code is ErrorCode.NOT_FOUND else 2) from None
    except JournalError as error:
        print_error(str(error))
        raise typer.Exit(1) from None
    except UpstreamError as error:
        print_error(sentence(error))
        raise typer.Exit(1) from None
