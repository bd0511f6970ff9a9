"""Shadow mode: the emails of another server's jobs are rendered here, too, and compared with what it has sent.

Nothing is sent, and no transport can be made here. An import contract holds that, and tests count connections.

- `messages`     an email as it is compared: decoded, without what belongs to its transport
- `bodies`       texts and HTML as lines, whatever their white space, entities and folding
- `rules`        what is made the same before a comparison, as data
- `differences`  how two emails differ, described without what is personal
- `fates`        what became of an email there, what would here, and the verdict
- `asked`        what its processes are asked for
- `comparer`     renders and compares the emails of a page, in a process of its own
- `copies`       what the other server has sent: folders of .eml files, Maildirs and mboxes
- `relay_logs`   the relay's log, for the emails of a block
- `tally`        counts by verdict and groups of differences, and a digest over them
- `acceptance`   which differences are accepted, by name
"""
