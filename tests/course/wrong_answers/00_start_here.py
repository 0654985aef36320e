"""Answers that the checkers of notebook 00 must refuse. Tried before the solutions, never shown to a learner."""

# %% exercise-2: all that return at once, and NumPy
# refused: NumPy is fast, and does the work
idle = {"generator", "map", "NumPy"}

# %% exercise-2: a list instead of a set
# refused: is not it
idle = ["generator", "map"]

# %% exercise-3: the rim left out
# refused: `points(0)` returns 0, not 1
get_ipython().run_cell_magic(
    "c",
    "circle",
    """\
long long points(long long r)
{
    long long count = 0;
    for (long long x = -r; x <= r; x++)
        for (long long y = -r; y <= r; y++)
            count += x * x + y * y < r * r;
    return count;
}
""",
)

# %% exercise-3: the area, which is nearly the count
# refused: `points(0)` returns 0, not 1
get_ipython().run_cell_magic(
    "c",
    "circle",
    """\
long long points(long long r)
{
    return (long long)(3.14159265358979 * (double)r * (double)r);
}
""",
)
