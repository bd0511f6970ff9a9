output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.cluster.name
}

output "service_name" {
  description = "Name of the service."
  value       = aws_ecs_service.service.name
}

output "log_group_name" {
  description = "The log group of the tasks."
  value       = aws_cloudwatch_log_group.tasks.name
}
