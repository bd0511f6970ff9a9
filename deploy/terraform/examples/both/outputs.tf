output "queue_url" {
  description = "queue.url of the configuration."
  value       = module.queues.queue_url
}

output "dead_letter_queue_url" {
  description = "queue.dead_letter_url of the configuration."
  value       = module.queues.dead_letter_queue_url
}

output "events_queue_url" {
  description = "tracking.events_queue_url of the configuration."
  value       = module.ses_events.queue_url
}
