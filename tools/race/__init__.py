"""The race: competitors that do the same job, each in a process of its own, in interleaved rounds.

    contract.py     what a competitor is: one file in mandelbrot/ or stations/
    field.py        which interpreter hosts which competitor, with how many threads
    tasks.py        the jobs, and how a result is checked
    host.py         the program that runs one competitor; hosts.py starts it and talks to it
    rounds.py       equal results first, then rounds in shuffled order
    report.py       the table, the figure, the CSV

`./build.sh bench` is `tools/bench.py`. From a notebook:

    sys.path.append("../tools")
    from race import tasks, field, rounds, report
    outcome = rounds.race(tasks.mandelbrot()[0], field.find("mandelbrot"), budget=20)
    print(report.table(outcome)); report.figure(outcome)
"""
