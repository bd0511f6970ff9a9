"""How many hosts send how much: a simulation, held against the benchmark's own rows.

    python -m benchmarks.scaling one-host           measure one host, and nothing else
    python -m benchmarks.scaling predict            fit the simulation to that row, and write what two hosts will do
    python -m benchmarks.scaling compare            the prediction beside build/bench.json's two-host row
    python -m benchmarks.scaling tables             capacity of 1 to 40 hosts, days of 10 million emails, ± 30 %
    python -m benchmarks.scaling prices             what 500,000 emails cost, by way of running

- `host_model` threads, processes, cores and commits of hosts that send, event by event
- `fitting`    the one unknown of that model, found from the row of one host
- `day_model`  a day of jobs, with send windows, SES's limits and an Auto Scaling group
- `law`        bounds that need no simulation: utilisation and Little's law
- `prices`     the price table, from prices.toml
- `tables`     what is printed of installations in AWS
- `measuring`  the row of one host, and `predicting` the row of two
"""
