"""``python -m resdsl``, and the program ``resdsl``.

Nothing is imported here: Ctrl-C is handled before the first import that takes time.
"""

from __future__ import annotations


def main() -> None:
    """Run the program. Ctrl-C ends it without a traceback, at any moment."""
    try:
        import signal

        handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it is ignored in the background
        if handled:
            # The system ends the process: an exception could be raised, and lost, anywhere in an import.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        from resdsl.cli.app import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    try:
        if handled:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        if handled:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # the rest is the end of Python


if __name__ == "__main__":
    main()
