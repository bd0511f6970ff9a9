variable "region" {
  description = "Region of everything here."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, in two zones at least."
  type        = list(string)
}

variable "route_table_ids" {
  description = "Route tables of those subnets."
  type        = list(string)
}

variable "database_security_group_id" {
  description = "The security group of the database."
  type        = string
}

variable "kms_key_arn" {
  description = "Customer-managed key for queues, logs, disks and secrets. null: AWS's own keys."
  type        = string
  default     = null
}

variable "ses_identity_arn" {
  description = "SES identity that emails are sent from."
  type        = string
}

variable "configuration_set_name" {
  description = "SES configuration set, which exists already."
  type        = string
}

variable "attachments" {
  description = "Buckets and prefixes of attachments, such as { statements = \"2026/\" }."
  type        = map(string)
  default     = {}
}

variable "api_callers" {
  description = "IAM roles and users that may ask the API, by their ARN: role and scopes, as in operators.iam_callers."
  type        = map(object({ role = string, scopes = optional(list(string), []) }))
  default     = {}
}

variable "api_secret_variables" {
  description = "Further ones of the API and of what does its operations. They need EED_OPERATORS__SECRET."
  type        = map(string)
}

variable "submissions" {
  description = "Buckets and prefixes that files of recipients may come from, such as { files = \"in/\" }."
  type        = map(string)
  default     = {}
}

variable "warning_topic_arns" {
  description = "SNS topics of warnings."
  type        = list(string)
}

variable "critical_topic_arns" {
  description = "SNS topics of critical alarms."
  type        = list(string)
}

variable "cloudtrail_log_group" {
  description = "Log group that CloudTrail writes to. null: logins are watched elsewhere."
  type        = string
  default     = null
}

variable "alert_rules" {
  description = "What `eed-delivery alerts terraform` prints."
  type        = any
  default     = {}
}

variable "image_uri" {
  description = "An image with the package in ECR, by its digest (docs/aws.md)."
  type        = string
}

variable "repository_arn" {
  description = "The ECR repository of that image."
  type        = string
}

variable "environment" {
  description = "EED_ variables of functions and tasks, beside those that are made here."
  type        = map(string)
  default     = {}
}

variable "secret_variables" {
  description = "EED_ variables of functions and tasks whose values are secrets, with the ARN of each. ARN:KEY:: is a key of its JSON."
  type        = map(string)
}

variable "max_concurrency" {
  description = "Batches that functions send at the same time. null: what send_rate needs."
  type        = number
  default     = null
}

variable "send_rate" {
  description = "Emails a second that may be sent (transport.rate_per_second, or what SES allows). It bounds how many hosts or functions run. null: it does not."
  type        = number
  default     = null
}

variable "tasks" {
  description = "Whether a Fargate task publishes and sweeps beside the tick, so that a new job does not wait for the next minute."
  type        = bool
  default     = false
}
