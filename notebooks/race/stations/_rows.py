"""What the competitors in plain Python share: cutting up the file, and putting the results together."""

import os

BLOCK = 64 * 1024


def blocks(path, begin, end):
    """The bytes from `begin` to `end`, in blocks that end with a newline."""
    rest = b""
    with open(path, "rb", buffering=0) as file:
        file.seek(begin)
        while begin < end:
            block = file.read(min(BLOCK, end - begin))
            if not block:
                raise EOFError("the file has become shorter")
            begin += len(block)
            cut = block.rfind(b"\n") + 1
            yield rest + block[:cut]
            rest = block[cut:]
    if rest:
        yield rest + b"\n"


def pieces(path, number):
    """The bounds of so many pieces of about the same size, each starting at a row."""
    size = os.path.getsize(path)
    bounds = [0]
    with open(path, "rb") as file:
        for n in range(1, number):
            file.seek(size * n // number)
            file.readline()
            bounds.append(file.tell())
    return list(zip(bounds, [*bounds[1:], size]))  # noqa: B905 - PyPy's zip has no `strict`


def merge(found, more):
    """Add the stations of `more` to those of `found`: {name: [min, sum, max, count]}, in tenths of a degree."""
    for name, (low, total, high, count) in more.items():
        if name in found:
            station = found[name]
            station[:] = min(station[0], low), station[1] + total, max(station[2], high), station[3] + count
        else:
            found[name] = [low, total, high, count]


def result(found):
    """{name: (min, mean, max, count)} in degrees, sorted."""
    degrees = {
        name.decode(): (low / 10, round(total / count / 10, 1), high / 10, count)
        for name, (low, total, high, count) in found.items()
    }
    return dict(sorted(degrees.items()))
