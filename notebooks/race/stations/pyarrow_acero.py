"""PyArrow: pieces of the file as the fragments of one data set, the types given, streamed through Acero's hash aggregation on its
thread pool.

Tried, and slower: the file as one fragment (twice as long on two threads), the file as a table and its `group_by` (memory that grows with
the file), `open_csv` as the source (one thread parses), a `group_by` for each batch, larger blocks, names as dictionaries.
"""

NAME = "PyArrow"
SOURCE = "https://arrow.apache.org/docs/python/generated/pyarrow.acero.Declaration.html"
REQUIRES = ("pyarrow",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"
FILES = ("_rows.py",)

PIECES = 16  # for each thread


def version():
    import pyarrow

    return "PyArrow " + pyarrow.__version__


def prepare(task, threads, folder):
    import _rows
    import pyarrow
    from pyarrow import acero, csv, dataset

    pyarrow.set_cpu_count(threads)
    pyarrow.set_io_thread_count(1)  # these parse, too: with the usual eight, "one thread" is 1.3 cores
    types = {"name": pyarrow.string(), "temperature": pyarrow.float64()}
    text = dataset.CsvFileFormat(
        read_options=csv.ReadOptions(column_names=list(types)),
        parse_options=csv.ParseOptions(delimiter=";", quote_char=False),
        convert_options=csv.ConvertOptions(column_types=types, null_values=[]),
    )
    statistics = [("temperature", f"hash_{what}", None, what) for what in ("min", "mean", "max", "count")]

    def run():
        with pyarrow.memory_map(task.path) as file:
            whole = file.read_buffer()
        bounds = _rows.pieces(task.path, PIECES * threads)
        parts = [text.make_fragment(whole[begin:end]) for begin, end in bounds if begin < end]
        rows = dataset.FileSystemDataset(parts, pyarrow.schema(types.items()), text)
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
