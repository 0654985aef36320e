"""The race: competitors that do the same job, each in a process of its own, in interleaved rounds.

    calls/                      what a call costs; its competitors are the doors of csrc/doors
    mandelbrot/, stations/      a folder a race: its task in _task.py, and one small file a competitor
    task.py                     what a race's _task.py holds
    contract.py                 what a competitor's file holds
    entries.py                  which interpreter hosts which competitor, with how many threads
    host_main.py                the program that runs one competitor; host.py starts it and talks to it
    rounds.py                   equal results first, then rounds in shuffled order
    report.py                   the table, the figure, the CSV

`./build.sh bench` is `tools/bench.py`. From a notebook:

    from race import entries, report, rounds, task
    outcome = rounds.race(task.module("mandelbrot").tasks()[0], entries.find("mandelbrot"), budget=20)
    print(report.table(outcome)); report.figure(outcome)
"""
