"""PyArrow: a data set of one CSV file, the types given, streamed through Acero's hash aggregation on its thread pool.

Tried, and slower: the whole file as a table and its `group_by` (1.2 times, and memory that grows with the file), `open_csv` as
the source (one thread parses), a `group_by` for each batch, larger blocks, names as dictionaries. The size of its pool does not
limit the threads that scan, so the process is held to as many cores where the system can do that.
"""

NAME = "PyArrow"
SOURCE = "https://arrow.apache.org/docs/python/generated/pyarrow.acero.Declaration.html"
REQUIRES = ("pyarrow",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"


def version():
    import pyarrow

    return "PyArrow " + pyarrow.__version__


def prepare(task, threads, folder):
    import os

    if hasattr(os, "sched_setaffinity"):  # the threads that read and scan come on top of the pool's
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])

    import pyarrow
    from pyarrow import acero, csv, dataset

    pyarrow.set_cpu_count(threads)
    types = {"name": pyarrow.string(), "temperature": pyarrow.float64()}
    text = dataset.CsvFileFormat(
        read_options=csv.ReadOptions(column_names=list(types)),
        parse_options=csv.ParseOptions(delimiter=";", quote_char=False),
        convert_options=csv.ConvertOptions(column_types=types, null_values=[]),
    )
    statistics = [("temperature", f"hash_{what}", None, what) for what in ("min", "mean", "max", "count")]

    def run():
        rows = dataset.dataset(task.path, format=text)
        plan = acero.Declaration.from_sequence(
            [
                acero.Declaration("scan", acero.ScanNodeOptions(rows)),
                acero.Declaration("aggregate", acero.AggregateNodeOptions(statistics, keys=["name"])),
            ]
        )
        stations = plan.to_table().sort_by("name").to_pylist()
        return {
            each["name"]: (each["min"], round(each["mean"], 1), each["max"], each["count"])
            for each in stations
        }

    return run
