"""`python -m puyun`, and the `puyun` command."""

from puyun.cli.app import main

if __name__ == "__main__":
    main()
