variable "queue_arn" {
  description = "The queue of emails to send."
  type        = string
}

variable "dead_letter_queue_arn" {
  description = "Its dead-letter queue."
  type        = string
}

variable "events_queue_arn" {
  description = "The queue of SES's events (tracking.events_queue_url). null: there is none."
  type        = string
  default     = null
}

variable "ses_identity_arns" {
  description = "SES identities that emails are sent from. []: SMTP is used."
  type        = list(string)
  default     = []
}

variable "configuration_set_arn" {
  description = "The SES configuration set, if one is used."
  type        = string
  default     = null
}

variable "attachments" {
  description = "Buckets and prefixes that attachments are read from (rendering.attachments_s3), such as { statements = \"2026/\" }."
  type        = map(string)
  default     = {}
}

variable "submissions" {
  description = "Buckets and prefixes that files of recipients are read from (operators.submit_s3)."
  type        = map(string)
  default     = {}
}

variable "archive" {
  description = "Buckets and prefixes that copies of sent emails are put into (archive of a channel)."
  type        = map(string)
  default     = {}
}

variable "archive_lock" {
  description = "Whether copies are put with a retention (object_lock_mode of an archive)."
  type        = bool
  default     = false
}

variable "alert_topic_arns" {
  description = "SNS topics of [alerts.audience]."
  type        = list(string)
  default     = []
}

variable "metrics_namespace" {
  description = "metrics.cloudwatch_namespace, if metrics.cloudwatch is api. null: figures go by the log, which needs no right here."
  type        = string
  default     = null
}

variable "secret_arns" {
  description = "Secrets of Secrets Manager that functions read themselves."
  type        = list(string)
  default     = []
}

variable "kms_key_arns" {
  description = "Customer-managed keys of the queues, buckets and secrets."
  type        = list(string)
  default     = []
}
