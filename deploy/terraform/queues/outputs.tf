output "queue_url" {
  description = "queue.url of the configuration."
  value       = aws_sqs_queue.emails.url
}

output "queue_arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.emails.arn
}

output "queue_name" {
  description = "Name of the queue, for alarms."
  value       = aws_sqs_queue.emails.name
}

output "dead_letter_queue_url" {
  description = "queue.dead_letter_url of the configuration."
  value       = aws_sqs_queue.dead.url
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead.arn
}

output "dead_letter_queue_name" {
  description = "Name of the dead-letter queue, for alarms."
  value       = aws_sqs_queue.dead.name
}

output "visibility_timeout_seconds" {
  description = "How long a received message stays invisible."
  value       = aws_sqs_queue.emails.visibility_timeout_seconds
}

output "max_receive_count" {
  description = "queue.max_receive_count of the configuration."
  value       = var.max_receive_count
}
