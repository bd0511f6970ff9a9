"""Files of text that people and their programs made, as `submit` and the suppression list take them.

- `reading`   a stream as text, in the encoding that its mark (BOM) or the caller names
- `lines`     its lines as an editor numbers them, and what becomes of each
- `csv_rows`  its rows, where it is CSV
"""
