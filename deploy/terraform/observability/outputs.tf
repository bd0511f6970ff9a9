output "alarm_arns" {
  description = "ARNs of all alarms, by their names without the prefix."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.alarm : name => alarm.arn }
}

output "service_log_group" {
  description = "Name of the log group of hosts. null: there is none."
  value       = one(aws_cloudwatch_log_group.service[*].name)
}

output "service_log_group_arn" {
  description = "ARN of the log group of hosts. null: there is none."
  value       = one(aws_cloudwatch_log_group.service[*].arn)
}
