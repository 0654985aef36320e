"""Solutions of notebook 02, The GIL, measured: each section replaces the cell of that tag."""

# %% exercise-1


# As many threads as requests: a thread that waits has let go of the GIL, so all of them wait at the same time.
def download(port, delays):
    return in_threads(len(delays), lambda seconds: fetch(port, seconds), delays)


# %% exercise-2


# The lock covers the read and the write: a lock around the assignment alone would still lose visits.
def record(hits, lock, page):
    with lock:
        hits[page] = hits.get(page, 0) + 1
