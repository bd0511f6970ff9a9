"""The role `resolver`: settles emails in doubt from the log of a relay on this host.

- `log_files`    a log file and its predecessors, across rotation
- `journal`      a log in systemd's journal
- `seeking`      where in a file a minute begins
- `resolver`     looks for doubts, reads the log for them, and settles what it proves

It keeps no position of its own. A doubt is made long after the relay has written its lines, because its lease ends
first. So the log is read again from the hand-over of the oldest doubt that is due. Lines of half an hour at full speed
are too many to keep in memory. What is not kept cannot be lost by a kill.
"""
