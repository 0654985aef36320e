"""What workers import: the functions that processes, interpreters and threads run in notebooks 03 to 06.

A worker is told the *name* of a function and imports it, and nobody can import a notebook.

| module          | notebook | who runs it                                                      |
|-----------------|----------|------------------------------------------------------------------|
| `processes`     | 03 to 06 | worker processes, and interpreters and threads that do the same  |
| `shared_memory` | 04       | processes that find their data instead of being sent it          |
| `interpreters`  | 05       | interpreters of one process                                      |
| `threads`       | 06       | threads, on this Python and on others                            |
| `loops`         | 06       | one thread, on several builds of Python; threads that meet       |
"""
