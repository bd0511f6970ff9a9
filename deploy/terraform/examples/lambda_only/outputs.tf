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

output "api_url" {
  description = "Where the delivery server nudges and submits."
  value       = module.api.url
}

output "api_caller_policy" {
  description = "What the delivery server's role needs to call it."
  value       = module.api.caller_policy
}
