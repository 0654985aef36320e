"""What the notebooks import: measuring, compiling, running, drawing and checking.

| module         | gives                                                                               |
|----------------|-------------------------------------------------------------------------------------|
| `measure`      | `measure`, `race`, `scaling`, `stopwatch`: times you can believe                      |
| `results`      | `Timing`, `Ratio`, `Race`, `Scaling`: what they found, with intervals                 |
| `same`         | `close`, `exact`: are two results equal?                                              |
| `control`      | `cores_free`, `user_over_real`...: could the experiment show its effect here and now? |
| `machine`      | `machine()` describes this computer                                                   |
| `cores`        | `usable_cores()`: how many may this process use?                                      |
| `peak`         | `peak()` measures the limits of this computer, with `probe.c`                         |
| `memory`       | `memory()`: what a process has for itself                                             |
| `compile`      | `cc`, `load_extension`, `%%c`, `%%cext`: C code in a cell                             |
| `compiler`     | `find_compiler()`: which C compiler there is                                          |
| `run`          | `run_python`, `%%runon`, `%%child`: code in another interpreter, or in a child        |
| `interpreters` | `find_python()`: the other Pythons of this machine                                    |
| `child_setup`  | what a child of `run` does first                                                      |
| `check`        | `check_function`, `check_value`, `prediction`: the checkers of the exercises          |
| `behaviour`    | `releases_gil`, `leaks`: what a function does beside returning its result             |
| `show`         | `say`, `show`, `times`, `duration`, `si`: numbers as words, results as tables         |
| `draw`         | the figures of the course                                                             |
| `diagram`      | `crossings`: a drawing of where data goes                                             |
| `figure`       | what all figures share                                                                |
| `cures`        | the command that brings what is missing                                               |

Each module is short. Open the one you are curious about. A name is imported from the module that defines it.

`%load_ext workbench` registers the cell magics `%%c`, `%%cext`, `%%runon` and `%%child`.
"""

from __future__ import annotations


def load_ipython_extension(shell) -> None:
    """Called by `%load_ext workbench`; `shell` is the running IPython."""
    from workbench import compile, run

    compile.register(shell)
    run.register(shell)
