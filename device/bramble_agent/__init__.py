"""What runs on a board: numpy, a TFLite runtime and this package; nothing else is needed.

One request is one fresh process: JSON on stdin, one JSON answer on a private copy of stdout (see ``__main__``).
The host imports ``wire``, ``pixels``, ``runtime``, ``timing`` and ``bundle`` from here, so that the contract, the
preprocessing and the interpreter wrapper exist once. This package never imports the host.
"""

__version__ = "0.1.0"
