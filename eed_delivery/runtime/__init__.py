"""What keeps a process running.

- `supervisor`     starts, watches and stops the processes
- `loop`           the loop that every role is made of
- `poll_interval`  how often a loop polls
- `failpoints`     where a test may kill or freeze a process
"""
