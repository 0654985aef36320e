"""DuckDB: one SQL query over the file, the columns given instead of detected, on a connection with so many threads.

Tried, and no faster: FLOAT and DECIMAL(3,1), other buffer sizes, `strict_mode = false`, `new_line`,
integers by way of VARCHAR, the order by Python.
"""

NAME = "DuckDB"
SOURCE = "https://duckdb.org/docs/stable/guides/performance/import"
REQUIRES = ("duckdb",)
PYTHON = ">=3.11"
THREADS = "any"
WORK = "all"


def version():
    import duckdb

    return "DuckDB " + duckdb.__version__


QUERY = """
    SELECT name, min(temperature), round(avg(temperature), 1), max(temperature), count(*)
    FROM read_csv(
        ?, auto_detect = false, header = false, delim = ';', quote = '', escape = '',
        columns = {'name': 'VARCHAR', 'temperature': 'DOUBLE'}
    )
    GROUP BY name ORDER BY name
"""


def prepare(task, threads, folder):
    import duckdb

    connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})

    def run():
        return {name: tuple(numbers) for name, *numbers in connection.execute(QUERY, [task.path]).fetchall()}

    return run
