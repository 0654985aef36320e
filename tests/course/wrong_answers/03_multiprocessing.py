"""Answers that the checkers of notebook 03 must refuse. Tried before the solutions, never shown to a learner."""


# %% exercise-1: no case for one worker
# refused: One worker divides nothing
def break_even(dispatch, count):
    return dispatch / (1 - 1 / count)


# %% exercise-1: the time with the pool instead of the break-even
# refused: t = dispatch + t / count, solved for t
def break_even(dispatch, count):
    return dispatch * count if count > 1 else float("inf")
