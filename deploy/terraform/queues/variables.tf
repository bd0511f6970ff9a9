variable "name" {
  description = "Name of the queue. The dead-letter queue has -dead at its end."
  type        = string
  default     = "eed-delivery"
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,70}$", var.name))
    error_message = "name has 1 to 70 letters, digits, - and _."
  }
}

variable "visibility_timeout_seconds" {
  description = "queue.visibility_timeout_seconds of the configuration. With a sending function at least 6 times its timeout."
  type        = number
  default     = 120
  validation {
    condition     = var.visibility_timeout_seconds >= 30 && var.visibility_timeout_seconds <= 43200
    error_message = "visibility_timeout_seconds is 30 to 43,200."
  }
}

variable "max_receive_count" {
  description = "queue.max_receive_count of the configuration. Lambda's pollers receive a message again for each throttled call."
  type        = number
  default     = 10
  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000
    error_message = "max_receive_count is 5 to 1,000."
  }
}

variable "kms_key_arn" {
  description = "Customer-managed key that encrypts messages. null: SQS's own key (SSE-SQS)."
  type        = string
  default     = null
}
