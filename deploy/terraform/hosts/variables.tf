variable "name" {
  description = "Name of the hosts, their role and their instance profile."
  type        = string
  default     = "eed-delivery-hosts"
}

variable "image_id" {
  description = "AMI with Amazon Linux 2023, by its id, so that a plan says which image will run."
  type        = string
}

variable "instance_type" {
  description = "2 cores send about 450 emails a second by SES (docs/performance.md)."
  type        = string
  default     = "m7g.large"
}

variable "hosts" {
  description = "How many hosts run."
  type        = object({ min = number, desired = number, max = number })
  default     = { min = 2, desired = 2, max = 4 }
  validation {
    condition     = var.hosts.min >= 1 && var.hosts.min <= var.hosts.desired && var.hosts.desired <= var.hosts.max
    error_message = "hosts has min <= desired <= max, and at least one."
  }
}

variable "send_rate" {
  description = "Emails a second that all hosts together may send: transport.rate_per_second, or what SES allows. No more hosts run than that needs. null: no limit, and hosts.max counts."
  type        = number
  default     = null
  validation {
    condition     = var.send_rate == null ? true : var.send_rate > 0
    error_message = "send_rate is more than 0."
  }
}

variable "host_rate" {
  description = "Emails a second that one host sends. docs/scaling.md says how to find it."
  type        = number
  default     = 450
  validation {
    condition     = var.host_rate > 0
    error_message = "host_rate is more than 0."
  }
}

variable "backlog_minutes" {
  description = "In how many minutes the hosts should send the backlog: so many hosts are started. null: their number changes by schedules alone."
  type        = number
  default     = 10
  validation {
    condition     = var.backlog_minutes == null ? true : var.backlog_minutes >= 5
    error_message = "backlog_minutes is 5 or more. A new host needs 5 minutes before it sends."
  }
}

variable "figures_namespace" {
  description = "metrics.cloudwatch_namespace of the configuration. metrics.cloudwatch must be log or api. Two installations of one account need a namespace each: figures have no dimensions."
  type        = string
  default     = "eed-delivery"
}

variable "drain_seconds" {
  description = "Longest time that a host that ends may take for the emails that it has in hand."
  type        = number
  default     = 300
  validation {
    condition     = var.drain_seconds >= 120 && var.drain_seconds <= 7200
    error_message = "drain_seconds is 120 to 7,200. The unit stops within 90 seconds, and the host looks each 5."
  }
}

variable "schedules" {
  description = "Times from which at least so many hosts run, such as the end of a month: { recurrence = \"0 18 28 * *\", min = 4 }. Without desired the backlog decides how many more, and when fewer. max: for this time alone."
  type        = map(object({ recurrence = string, min = number, desired = optional(number), max = optional(number), time_zone = optional(string, "Etc/UTC") }))
  default     = {}
}

variable "subnet_ids" {
  description = "Private subnets, in two zones at least."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids has subnets of two zones at least, so that one zone may fail."
  }
}

variable "security_group_ids" {
  description = "Security groups of the hosts."
  type        = list(string)
}

variable "bundle" {
  description = "What deploy/bundle.sh made, in S3, and its SHA-256."
  type        = object({ bucket = string, key = string, sha256 = string })
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.bundle.sha256))
    error_message = "bundle.sha256 has 64 hexadecimal digits."
  }
}

variable "configuration" {
  description = "The configuration file, as text. No secrets: those go by ARN."
  type        = string
}

variable "secrets" {
  description = "Credentials of the unit (docs/configuration.md#secrets), with the ARN of the secret that has the value."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[a-z_]+$", name))])
    error_message = "A credential's name has small letters and _, such as database_password."
  }
}

variable "policies" {
  description = "IAM policies of the hosts' role: those of the module rights."
  type        = map(string)
}

variable "role_name" {
  description = "A role that exists already. null: one is made, with policies."
  type        = string
  default     = null
}

variable "log_group" {
  description = "Log group of the service: name and ARN."
  type        = object({ name = string, arn = string })
}

variable "session_manager" {
  description = "Whether people reach the hosts by Session Manager. There is no SSH."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Customer-managed key for the hosts' disks, with the right to decrypt secrets and the bundle. null: AWS's own keys."
  type        = string
  default     = null
}

variable "disk_gb" {
  description = "Size of the disk. The archive's spool is on it."
  type        = number
  default     = 30
}
