"""Exit statuses: 0 success, 1 errors in the input, 2 usage or file errors, 3 missing devices or packages.

The code of an error determines its exit status (``resdsl.diagnostics.catalogue``).
"""

FINE = 0
INPUT = 1
USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
BROKEN_PIPE = 141  # 128 + SIGPIPE
