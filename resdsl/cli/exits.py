"""How a command ends: 0 fine, 1 the input is wrong, 2 usage or files, 3 the machine or what is installed on it.

Which of these an error calls for, its code says (``resdsl.diagnostics.catalogue``).
"""

FINE = 0
INPUT = 1
USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE
