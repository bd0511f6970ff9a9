output "autoscaling_group_name" {
  description = "Name of the Auto Scaling group."
  value       = aws_autoscaling_group.hosts.name
}

output "max_hosts" {
  description = "The most hosts that run, outside schedules."
  value       = local.most
}

output "role_name" {
  description = "Name of the hosts' role."
  value       = local.role_name
}
