"""`weightbench`, the command line: torch is imported by the commands that need it."""

from __future__ import annotations

import sys

from weightbench.cli.app import app
from weightbench.runtime.errors import BadInput


def main() -> None:
    """Run a command; wrong input is one line and exit code 2."""
    try:
        app()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that vanished: what is finished is on disk
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
