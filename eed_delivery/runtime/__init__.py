"""What keeps a process running.

- `supervisor`     starts, watches and stops the processes
- `loop`           the loop that every role is made of
- `step_schedule`  several loops in one thread
- `poll_interval`  how often a loop polls
- `renders`        which email each thread renders, for the supervisor
- `render_process` a process that renders and may end, as its parent sees it
- `defects`        logs a repeated defect once a minute
- `sd_notify`      reports to systemd
- `idle_time`      how long a kept connection has not been used
- `light_start`    what makes a start lighter, imported before all else
- `arenas`         how much free memory malloc keeps
- `failpoints`     where a test may kill or freeze a process
"""
