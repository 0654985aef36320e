"""PyArrow: the CSV reader with the types given, then the table's `group_by`, both on its thread pool.

Tried: a stream of batches into Acero's aggregation, a data set, dictionary columns, other block sizes.
"""

NAME = "PyArrow"
SOURCE = "https://arrow.apache.org/docs/python/csv.html"
REQUIRES = ("pyarrow",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"


def version():
    import pyarrow

    return "PyArrow " + pyarrow.__version__


def prepare(task, threads, folder):
    import pyarrow
    from pyarrow import csv

    pyarrow.set_cpu_count(threads)
    read = csv.ReadOptions(column_names=["name", "temperature"])
    parse = csv.ParseOptions(delimiter=";", quote_char=False)
    convert = csv.ConvertOptions(
        column_types={"name": pyarrow.string(), "temperature": pyarrow.float64()}, null_values=[]
    )
    wanted = [("temperature", statistic) for statistic in ("min", "mean", "max", "count")]

    def run():
        rows = csv.read_csv(task.path, read, parse, convert)
        stations = rows.group_by("name").aggregate(wanted).sort_by("name")
        columns = [column.to_pylist() for column in stations.columns]
        return {
            name: (low, round(mean, 1), high, count)
            for name, low, mean, high, count in zip(*columns, strict=True)
        }

    return run
