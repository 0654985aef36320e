"""pandas: chunks from its C parser, names as categories, each aggregated by `groupby`, as its guide to scaling advises.

One thread: the C parser has no more. Tried, and slower: names as strings (1.7 times), no `memory_map`; and on two threads no faster:
the PyArrow engine, whose `groupby` afterwards takes one thread. Without chunks it is as fast, in memory that grows with the file.
"""

NAME = "pandas"
SOURCE = "https://pandas.pydata.org/docs/user_guide/scale.html#use-chunking"
REQUIRES = ("pandas",)
PYTHON = ">=3.11"
THREADS = "one"
WORK = "all"

CHUNK = 1_000_000  # rows


def version():
    import pandas

    return "pandas " + pandas.__version__


def prepare(task, threads, folder):
    import csv

    import pandas

    def run():
        chunks = pandas.read_csv(
            task.path,
            sep=";",
            header=None,
            names=["name", "temperature"],
            dtype={"name": "category", "temperature": "float64"},
            engine="c",
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            memory_map=True,
            chunksize=CHUNK,
        )
        parts = [
            rows.groupby("name", observed=True, sort=False)["temperature"].agg(["min", "sum", "max", "count"])
            for rows in chunks
        ]
        for part in parts:
            part.index = part.index.astype(object)  # the chunks' categories differ
        how = {"min": "min", "sum": "sum", "max": "max", "count": "sum"}
        stations = pandas.concat(parts).groupby(level=0).agg(how)
        mean = (stations["sum"] / stations["count"]).round(1)
        columns = [column.tolist() for column in (stations["min"], mean, stations["max"], stations["count"])]
        return dict(zip(stations.index, zip(*columns, strict=True), strict=True))

    return run
