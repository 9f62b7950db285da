"""What can be told of a text by counting.

Read in this order: config and rules (what a recipe asks for), measure (the step), sets (counts become attributes), texts (what is
counted when), then the kernels: unicode, hashing, characters, units, lines, cut; and the lists: phrases, boilerplate, word_lists,
contacts, domains. The plain Python that every kernel equals stands in tests/corpus/quality/reference.py.
"""
