"""pandas: its C parser on one thread, names as categories, then `groupby`.

Tried:
"""

NAME = "pandas"
SOURCE = "https://pandas.pydata.org/docs/user_guide/scale.html"
REQUIRES = ("pandas",)
PYTHON = ">=3.11"
THREADS = "one"
WORK = "all"


def version():
    import pandas

    return "pandas " + pandas.__version__


def prepare(task, threads, folder):
    import csv

    import pandas

    def run():
        rows = pandas.read_csv(
            task.path,
            sep=";",
            header=None,
            names=["name", "temperature"],
            dtype={"name": "category", "temperature": "float64"},
            engine="c",
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            memory_map=True,
        )
        stations = rows.groupby("name", observed=True)["temperature"].agg(["min", "mean", "max", "count"])
        degrees = stations.round({"mean": 1}).sort_index()
        columns = [degrees[column].tolist() for column in degrees]
        return dict(zip(degrees.index, zip(*columns, strict=True), strict=True))

    return run
