"""What the notebooks import: measuring, compiling, running, drawing and checking.

| module    | gives                                                                   |
|-----------|-------------------------------------------------------------------------|
| `measure` | `measure`, `race`, `scaling`, `stopwatch`: times you can believe         |
| `machine` | `machine()` describes this computer, `peak()` measures its limits        |
| `compile` | `cc`, `%%c`, `%%cext`: C code in a cell                                  |
| `run`     | `%%runon`, `%%child`: a cell in another interpreter, or in a child       |
| `draw`    | the figures of the course                                               |
| `check`   | the checkers of the exercises                                           |

Behind them: `results` (medians, ratios, their intervals), `same` (are two results equal?), `behaviour` (does a function
release the GIL, does it leak?), `cores` (how many may this process use?), `show` (numbers as words, results as tables)
and `probe.c` (the limits of the machine).

Each module is short. Open the one you are curious about.

`%load_ext workbench` registers the cell magics `%%c`, `%%cext`, `%%runon` and `%%child`.
"""

from __future__ import annotations


def load_ipython_extension(shell) -> None:
    """Called by `%load_ext workbench`; `shell` is the running IPython."""
    from workbench import compile, run

    compile.register(shell)
    run.register(shell)
