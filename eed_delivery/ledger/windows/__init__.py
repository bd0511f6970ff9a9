"""Send windows: when jobs may leave, by the database's clock.

- `is_open`    whether a job's window is open, for the statements that ask it for each email
- `marking`    the spans in which each job may leave, copied into it
- `overrides`  what people have opened for a while
- `reading`    a job's window for people
"""
