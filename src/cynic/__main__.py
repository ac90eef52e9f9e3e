"""`python -m cynic`: the same as the command `cynic`."""

from cynic.cli.main import main

main()
