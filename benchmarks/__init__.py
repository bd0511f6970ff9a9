"""How fast eed-delivery is, beside what people would use in its place. `make bench`, or `python -m benchmarks --help`.

No part of the installed product, and no test. Nothing here passes or fails by a speed.
"""
