variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string
  default     = "eed-delivery-send"
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
  default     = 1024
  validation {
    condition     = var.memory_mb >= 512 && var.memory_mb <= 10240
    error_message = "memory_mb is 512 to 10,240. Less than 512 MB makes a start too slow."
  }
}

variable "environment" {
  description = "EED_ variables. No secrets: those go by ARN."
  type        = map(string)
  default     = {}
}

variable "policies" {
  description = "IAM policies of the function's role: those of the module rights."
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
  description = "Private subnets with a way to the database, SES and SQS."
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

variable "queue_arn" {
  description = "The queue of emails to send."
  type        = string
}

variable "queue_visibility_timeout_seconds" {
  description = "How long a received message of that queue stays invisible. AWS asks for 6 times the function's timeout."
  type        = number
}

variable "timeout_seconds" {
  description = "Longest time of one invocation. It must be longer than the longest send and its answer."
  type        = number
  default     = 300
  validation {
    condition     = var.timeout_seconds >= 60 && var.timeout_seconds <= 900
    error_message = "timeout_seconds is 60 to 900."
  }
  validation {
    condition     = var.queue_visibility_timeout_seconds >= 6 * var.timeout_seconds
    error_message = "A message must stay invisible for 6 times timeout_seconds. Raise visibility_timeout_seconds of the module queues, or lower timeout_seconds."
  }
}

variable "send_rate" {
  description = "Emails a second that the functions may send: transport.rate_per_second, or what SES allows, without what hosts send. null: 20 batches at the same time."
  type        = number
  default     = null
  validation {
    condition     = var.send_rate == null ? true : var.send_rate > 0
    error_message = "send_rate is more than 0."
  }
}

variable "seconds_an_email" {
  description = "How long one email takes in a sandbox, from its claim to its outcome. Lambda's Duration divided by the emails of a batch."
  type        = number
  default     = 0.1
  validation {
    condition     = var.seconds_an_email > 0
    error_message = "seconds_an_email is more than 0."
  }
}

variable "max_concurrency" {
  description = "Batches at the same time. null: send_rate times seconds_an_email, which is Little's law."
  type        = number
  default     = null
  validation {
    condition     = var.max_concurrency == null ? true : var.max_concurrency >= 2 && var.max_concurrency <= 1000
    error_message = "Lambda takes a maximum concurrency of 2 to 1,000."
  }
}

variable "batch_size" {
  description = "Messages of one invocation."
  type        = number
  default     = 10
  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10
    error_message = "batch_size is 1 to 10."
  }
}
