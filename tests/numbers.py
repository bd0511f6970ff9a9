"""Rows out of nothing, for the tests' SQL: MariaDB's tables `seq_1_to_N` are not in MySQL, and both have JSON_TABLE."""


def numbers(count: int) -> str:
    """What stands behind FROM: a table `numbers` whose column `seq` goes from 1 to `count`."""
    return f"JSON_TABLE(CONCAT('[0', REPEAT(',0', {count - 1}), ']'), '$[*]' COLUMNS (seq FOR ORDINALITY)) AS numbers"
