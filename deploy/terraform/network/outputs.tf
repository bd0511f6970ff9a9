output "security_group_id" {
  description = "The security group of hosts, tasks and functions."
  value       = aws_security_group.service.id
}
