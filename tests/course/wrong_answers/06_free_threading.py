"""Answers that the checkers of notebook 06 must refuse. Tried before the solutions, never shown to a learner."""


# %% exercise-3: as fast counts as faster
# refused: Is it the smallest n that wins
def threads_needed(speed, parallel):
    for n in range(1, 1_001):
        if speed / (1 - parallel + parallel / n) >= 1:
            return n
    return None


# %% exercise-3: two always do
# refused: or None if none up to 1,000 does?
def threads_needed(speed, parallel):
    return 2


# %% exercise-3: a search without an end
# refused: was still running after
def threads_needed(speed, parallel):
    n = 1
    while speed / (1 - parallel + parallel / n) <= 1:
        n += 1
    return n
