"""`python -m meshloom`."""

from meshloom.cli import main

main()
