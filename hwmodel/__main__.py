"""`python -m hwmodel`."""

from hwmodel.cli import main

if __name__ == "__main__":
    main()
