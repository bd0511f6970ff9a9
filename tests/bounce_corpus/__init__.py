"""Bounces, delays, complaints and what is none of them, in the shapes that mail systems have, each with its verdict.

Made from templates of ours and example domains. `python -m tests.bounce_corpus` prints how the product does on them.
"""
