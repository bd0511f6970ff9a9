variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string
  default     = "eed-delivery-tick"
}

variable "image_uri" {
  description = "An image with the package in ECR, by its digest (docs/aws.md)."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "image_uri ends with @sha256: and the digest, so that a plan says which image will run."
  }
}

variable "architecture" {
  description = "arm64 or x86_64: what the image was built for."
  type        = string
  default     = "arm64"
  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture is arm64 or x86_64."
  }
}

variable "memory_mb" {
  description = "Memory in MB. CPU grows with it: 1,769 MB are one core."
  type        = number
  default     = 512
  validation {
    condition     = var.memory_mb >= 512 && var.memory_mb <= 5120
    error_message = "memory_mb is 512 to 10,240. Less than 512 MB makes a start too slow."
  }
}

variable "environment" {
  description = "EED_ variables. No secrets: those go by ARN."
  type        = map(string)
  default     = {}
}

variable "policies" {
  description = "IAM policies of the function's role: the policy tick of the module rights."
  type        = map(string)
}

variable "role_arn" {
  description = "A role that exists already. null: one is made, with policies."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "Customer-managed key for logs and environment. Its policy must let logs.REGION.amazonaws.com use it."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
  default     = 90
}

variable "subnet_ids" {
  description = "Private subnets with a way to the database, SQS, and Lambda's API if a mapping is given."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the function."
  type        = list(string)
}

variable "tracing" {
  description = "Whether X-Ray traces invocations."
  type        = bool
  default     = false
}

variable "event_source_mapping" {
  description = "The mapping that the tick turns off while nothing can be sent. null: it is left on."
  type        = object({ arn = string, uuid = string })
  default     = null
}

variable "work_seconds" {
  description = "How long each tick works (aws_lambda.tick_seconds). Less costs less, and lets new jobs wait for the next minute."
  type        = number
  default     = 50
  validation {
    condition     = var.work_seconds >= 1 && var.work_seconds <= 55
    error_message = "work_seconds is 1 to 55, because the next tick begins after a minute."
  }
}

variable "timeout_seconds" {
  description = "Longest time of one invocation. A step may take a minute when the database is slow."
  type        = number
  default     = 120
  validation {
    condition     = var.timeout_seconds >= var.work_seconds + 70 && var.timeout_seconds <= 900
    error_message = "timeout_seconds is at least 70 more than work_seconds, and at most 900."
  }
}
