"""`python -m bridge.cli`: hubctl, also where the console script is not on PATH."""

from bridge.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
