output "queue_url" {
  description = "tracking.events_queue_url of the configuration."
  value       = aws_sqs_queue.events.url
}

output "queue_arn" {
  description = "ARN of the queue of events."
  value       = aws_sqs_queue.events.arn
}

output "queue_name" {
  description = "Name of the queue of events, for alarms."
  value       = aws_sqs_queue.events.name
}

output "dead_letter_queue_name" {
  description = "Name of its dead-letter queue, for alarms."
  value       = aws_sqs_queue.dead.name
}
