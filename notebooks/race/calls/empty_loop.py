"""The ceiling of many calls: the same loop in the same interpreter, and no call in it."""

NAME = "empty loop"
SOURCE = "https://docs.python.org/3/reference/compound_stmts.html#the-for-statement"
REQUIRES = ()
PYTHON = ">=3.11"
THREADS = "one"
WORK = "all"
CEILING = True


def version():
    return "for"


def prepare(task, threads, folder):
    def run():
        for x in range(task.calls):
            result = x
        return {"nop": [result]}

    run()
    return run
