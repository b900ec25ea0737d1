"""A thousand wrong answers, each a whole function: the catalogue's first generation, kept as a test of its second.

`names.csv` says what each of them is called now; a change of a name is a change of that file, to be read by a person.
"""
