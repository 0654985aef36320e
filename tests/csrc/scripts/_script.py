"""The end of every script here: a test names a function of it, and the child calls that."""

import sys
from collections.abc import Mapping


def call_named(functions: Mapping[str, object]) -> None:
    """Call the function that the first argument of the command line names, with the other arguments, which are strings.

    A name that the script has not is a KeyError: a test that misspells it fails.
    """
    name, *arguments = sys.argv[1:]
    functions[name](*arguments)
