"""One database, reached the same way by all of the service.

- `transactions`      whole transactions, with retries
- `engine`            how a connection is opened, and what its session is set to
- `clock`             the database's clock in SQL
- `sql_function`      a function of ours in SQL, for MySQL and SQLite
- `server_words`      what the server said, for people
- `insert`            an INSERT that passes over rows that are there
- `multi_statement`   several statements in one request
- `mysql_answers`     reads what MySQL answers to them
- `mysql_connection`  PyMySQL's connection: conversions of values, TLS contexts
"""
