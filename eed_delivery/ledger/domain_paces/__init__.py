"""The pace of destination domains, of all hosts and functions together.

- `stored`    the paces that people set in place of the configured ones
- `turns`     who may send to a destination now, by the database's clock
- `backlogs`  how many emails of each job wait for their destination, for people
"""
