"""`python -m pasta_core.worker`."""

from pasta_core.worker.server import main

if __name__ == "__main__":
    main()
