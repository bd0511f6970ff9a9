"""SFTP: files into a partner's directory.

The client is paramiko, and not asyncssh. For files of 60 KB (upload, size, rename, to OpenSSH on the same machine)
paramiko took 1.1 ms of CPU a file, and asyncssh 2.0 ms. Eight threads put 663 files a second, and 269. Transports are
called by threads, as paramiko is. Asyncssh would need an event loop in each. Both need cryptography, which PyMySQL
brings anyway. Paramiko comes with the extra `sftp`.

- `settings`    of a channel
- `host_key`    the server's key, pinned
- `login`       the user's key or password
- `connection`  one connection
- `client`      paramiko's client, stricter, with OpenSSH's extras
- `statuses`    what each status of a server means
- `kind`        the kind of channel
"""
