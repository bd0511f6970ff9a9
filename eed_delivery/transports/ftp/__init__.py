"""FTP over TLS, and plain FTP where a setting allows it: files into a partner's directory.

- `settings`    of a channel
- `replies`     what each reply of a server means
- `connection`  one connection
- `kind`        the kind of channel
"""
