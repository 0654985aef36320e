"""Solutions of notebook 04, Share memory instead of copying it: each section replaces the cell of that tag."""

# %% exercise-1


@contextlib.contextmanager
def temporary_segment(size):
    segment = SharedMemory(create=True, size=size)
    try:
        yield segment
    finally:
        segment.unlink()  # first, since `close` may refuse
        segment.close()


# %% exercise-2


class Sound:
    def __init__(self, rate, data):
        self.rate, self.data = rate, memoryview(data)

    def __reduce_ex__(self, protocol):
        data = pickle.PickleBuffer(self.data) if protocol >= 5 else bytearray(self.data)
        return Sound, (self.rate, data)
