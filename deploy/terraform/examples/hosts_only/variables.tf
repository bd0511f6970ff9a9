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

variable "image_id" {
  description = "AMI with Amazon Linux 2023."
  type        = string
}

variable "bundle" {
  description = "What deploy/bundle.sh made, in S3, and its SHA-256."
  type        = object({ bucket = string, key = string, sha256 = string })
}

variable "configuration" {
  description = "The configuration file, as text, such as file(\"eed-delivery.toml\")."
  type        = string
}

variable "secrets" {
  description = "Credentials of the unit, with the ARN of each secret."
  type        = map(string)
}

variable "send_rate" {
  description = "Emails a second that may be sent (transport.rate_per_second, or what SES allows). It bounds how many hosts or functions run. null: it does not."
  type        = number
  default     = null
}
