"""The composition root: the only place that makes engines, clients and pools, and puts the parts together.

- `parts`      makes each part of the service from the settings, and `sending_app` what an email is sent with
- `database`   the database as the settings name it, for a command that needs no more
- `operations` what an operator can ask and decide, each subject when it is first needed
- `operation_parts` what operations stand on, then `service_operations`, `job_operations`,
  `long_act_operations`, `rehearsal_operations` and `shadow_operations`
- `alerts`     the parts of alerts
- `archiving`  the parts of the channels' archives
- `aws_clients` clients of AWS's services
- `channel_surroundings` what a channel's kind gets from here
- `message_ids` the Message-IDs of emails, for people
- `rehearsal_process` a process that renders emails of a rehearsal
- `shadow_process`    a process that compares emails with those of another server
- `previews`   renders one email for people
- `manifests`  what puts the manifests of a channel's jobs
- `send_windows` which send windows are configured
- `destination_pacing`, `destination_backlogs` what heeds the pace of domains, where emails are sent and published
- `metrics`    has a process keep its metrics
- `forecasting` what forecasts of jobs are made of
- `heartbeats` heartbeats of roles that send nothing
- `operators`  the role of the pages and the API, and `operators_parts` what both are made from
- `api_function` the API as a function of AWS Lambda
- `long_acts`  what does long acts in that role
- `resolving`  what settles doubts from a relay's log
- `roles`      what each process of the service runs
- `sending_function` what a function of AWS Lambda sends with, and `function_secrets` its secrets
- `tick_function` what the function `tick` publishes and sweeps with
- `function_channel` the channel that the function sends by
- `sweeper_steps` what the sweeper does, for its role and for the tick
- `isolated_render` a process that renders emails which may end it
- `child_programs` starts it, and that of rehearsals
- `people_parts` what operations and the role of people are made from
- `proxy_headers` what checks the signed header of a proxy
- `startup`    what is checked before the service starts
- `preload`    what all processes need, loaded before they are forked
"""
