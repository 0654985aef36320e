"""Solutions of notebook 00. Each section replaces the exercise cell of that name."""


# %% exercise-1
def seconds_per_call(f):
    f()  # the first call pays for what the others find ready
    return median(once(f) for _ in range(25))


# %% exercise-2
numbers = range(1_000_000)
squares = {
    "list": lambda: [x * x for x in numbers],
    "generator": lambda: (x * x for x in numbers),
    "map": lambda: map(operator.mul, numbers, numbers),
    "NumPy": lambda: np.arange(1_000_000) ** 2,
}
rates = {name: len(numbers) / measure(way).median for name, way in squares.items()}
idle = {name for name, rate in rates.items() if rate > limits.flops}

# %% exercise-3
get_ipython().run_cell_magic(
    "c",
    "circle",
    """\
long long points(long long r)
{
    long long count = 0;
    for (long long x = -r; x <= r; x++)
        for (long long y = -r; y <= r; y++)
            count += x * x + y * y <= r * r;
    return count;
}
""",
)
