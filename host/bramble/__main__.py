"""``python -m bramble`` is the ``bramble`` command."""

from bramble.cli import main

if __name__ == "__main__":
    main()
