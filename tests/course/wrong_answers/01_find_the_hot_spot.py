"""Answers that the checkers of notebook 01 must refuse. Tried before the solutions, never shown to a learner."""


# %% exercise-1: no case for what no speed reaches
# refused: raises ZeroDivisionError
def needed(share, target):
    return share / (1 / target - (1 - share))


# %% exercise-1: as if the function were the whole program
# refused: the rest of the program takes 1 - share
def needed(share, target):
    return target / share


# %% exercise-2: nothing repaired
# refused: it should be 5.00x as fast
def longest_pauses_fast(lines):
    return longest_pauses(lines)


# %% exercise-2: half a repair, the names but not the scan
# refused: which line still goes through everything for every name?
def longest_pauses_fast(lines):
    split = [line.split(";") for line in lines]
    pairs = [(int(minute), name) for minute, name in split]
    return {
        name: longest_pause([m for m, who in pairs if who == name])
        for name in dict.fromkeys(name for _, name in pairs)
    }
