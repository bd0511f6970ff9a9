variable "name" {
  description = "What names of alarms, metrics and the dashboard begin with."
  type        = string
  default     = "eed-delivery"
}

variable "warning_topic_arns" {
  description = "SNS topics of warnings: for the next working day."
  type        = list(string)
}

variable "critical_topic_arns" {
  description = "SNS topics of critical alarms: someone gets up at night."
  type        = list(string)
}

variable "figures_namespace" {
  description = "metrics.cloudwatch_namespace of the configuration. metrics.cloudwatch must be log or api. Two installations of one account need a namespace each: figures have no dimensions."
  type        = string
  default     = "eed-delivery"
}

variable "service_log_group" {
  description = "Name of the log group of hosts, which is made here. null: there are no hosts."
  type        = string
  default     = null
}

variable "other_log_groups" {
  description = "Log groups that other modules make, and that alert_rules are looked for in, too."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
  default     = 90
}

variable "kms_key_arn" {
  description = "Customer-managed key for the log group. Its policy must let logs.REGION.amazonaws.com use it."
  type        = string
  default     = null
}

variable "queue_name" {
  description = "The queue of emails to send."
  type        = string
}

variable "dead_letter_queue_name" {
  description = "Its dead-letter queue."
  type        = string
}

variable "events_queue_name" {
  description = "The queue of SES's events. null: there is none."
  type        = string
  default     = null
}

variable "events_dead_letter_queue_name" {
  description = "The dead-letter queue of SES's events."
  type        = string
  default     = null
}

variable "uses_ses" {
  description = "Whether emails leave by SES."
  type        = bool
  default     = true
}

variable "has_workers" {
  description = "Whether workers run on hosts or Fargate. false: the sending function alone sends."
  type        = bool
}

variable "functions" {
  description = "Functions to watch, by their names. max_concurrency: null for one without such a limit."
  type        = map(object({ timeout_seconds = number, max_concurrency = optional(number) }))
  default     = {}
}

variable "tick_function_name" {
  description = "The function tick. null: hosts or tasks publish and sweep."
  type        = string
  default     = null
}

variable "database" {
  description = "The RDS instance or Aurora cluster to watch, and its max_connections. null: it is watched elsewhere."
  type        = object({ identifier = string, max_connections = number, cluster = optional(bool, false) })
  default     = null
}

variable "cloudtrail_log_group" {
  description = "Log group that CloudTrail writes to. null: logins to the account are watched elsewhere."
  type        = string
  default     = null
}

variable "alert_rules" {
  description = "What `eed-delivery alerts terraform` prints."
  type = map(object({
    pattern        = string
    count          = number
    window_seconds = number
    audience       = list(string)
    description    = string
  }))
  default = {}
}

variable "audience_topic_arns" {
  description = "SNS topics by the audience that alert_rules name. An audience that is not here gets warnings' topics."
  type        = map(list(string))
  default     = {}
}

variable "thresholds" {
  description = "Other thresholds than those in alarms.tf, by the alarm's name without the prefix."
  type        = map(number)
  default     = {}
}
