"""Send windows: when emails may leave. Calculated from settings alone, without any I/O.

- `spans`  spans of time, united and intersected
- `rules`  windows by days, hours and zone, and the spans that they make
- `plan`   which windows concern a job, and how they combine
"""
