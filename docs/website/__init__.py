"""The site, from this repository's own files: `make site`."""
