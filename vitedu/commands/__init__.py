"""The larger commands of `vitedu`, one a file: a function that takes the words behind the command's name."""
