"""Where the tests are started in the background, interrupts are ignored from the beginning."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
