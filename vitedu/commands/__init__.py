"""Commands of `vitedu`, a file each; `cli.py` has the table of all.  A command reads its arguments and calls a room."""
