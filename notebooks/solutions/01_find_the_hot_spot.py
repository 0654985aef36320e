"""Solutions of 01_find_the_hot_spot: each section goes into the cell with that tag."""


# %% exercise-1
def needed(share, target):
    left = 1 / target - (1 - share)  # what the rest of the program leaves of the new time
    return share / left if left > 0 else math.inf


# %% exercise-2
def longest_pauses_fast(lines):
    minutes_of = {}
    for line in lines:
        minute, name = line.split(";")
        minutes_of.setdefault(name, []).append(int(minute))
    return {name: longest_pause(minutes) for name, minutes in minutes_of.items()}
