"""What the exit code of a command says."""

DONE = 0
WRONG = 2  # bad usage or bad data
INTERRUPTED = 130  # by Ctrl-C, as a shell counts it: 128 + SIGINT
