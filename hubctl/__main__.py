"""`python -m hubctl`: hubctl, also where the console script is not on PATH."""

from hubctl.main import main

if __name__ == "__main__":
    raise SystemExit(main())
