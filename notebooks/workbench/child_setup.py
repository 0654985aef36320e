"""The first line of every cell that `run_python` starts imports this: it runs inside the child process.

Written for any Python from 3.8 on, PyPy too; standard library only.
"""

import atexit
import faulthandler
import json
import os
import resource
import signal
import sys


def setup(namespace):
    """Prepare the child: `namespace` is the globals of the cell, in the main process or in a spawned worker."""
    with open(os.path.join(os.path.dirname(namespace["__file__"]), "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    namespace.update(job["give"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no core file in the learner's folder
    sys.stdout.reconfigure(line_buffering=True)  # what was printed before a crash is seen
    if namespace["__name__"] != "__main__":
        return
    if hasattr(faulthandler, "register"):  # how the parent asks "where are you?" before it gives up
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    atexit.register(_bring_back, namespace, job["take"], job["values"], os.getpid())


def _bring_back(namespace, names, path, owner):
    if os.getpid() != owner:  # a forked copy of the child ends too, and has nothing to tell
        return
    values, lost = {}, {}
    for name in names:
        try:
            values[name] = json.loads(json.dumps(namespace[name], default=plain))
        except KeyError:
            lost[name] = "the cell doesn't define it"
        except (TypeError, ValueError) as error:
            lost[name] = str(error)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"values": values, "lost": lost}, file)


def plain(thing):
    """Numbers and arrays of NumPy as those of Python, paths as text, a module as the path of its file.

    Anything else that JSON doesn't know is an error.
    """
    # A Path, or a library that a cell has compiled.
    if hasattr(thing, "__fspath__"):
        return os.fspath(thing)
    # An extension that a cell has compiled.
    if isinstance(thing, type(sys)) and getattr(thing, "__file__", None):
        return thing.__file__
    if hasattr(thing, "tolist"):
        return thing.tolist()
    raise TypeError(f"a {type(thing).__name__} is not JSON")
