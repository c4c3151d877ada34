"""One experiment: data from anywhere, split, prepared, trained, judged and written down.

Import what you need from its modules: `settings` alone is light.
"""
