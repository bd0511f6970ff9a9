variable "name" {
  description = "Name of the topic and the queue."
  type        = string
  default     = "eed-delivery-events"
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,70}$", var.name))
    error_message = "name has 1 to 70 letters, digits, - and _."
  }
}

variable "configuration_set_name" {
  description = "SES configuration set that exists already: ses.configuration_set of the configuration."
  type        = string
}

variable "event_types" {
  description = "Kinds of events. Opens and clicks are personal data: they come only if you add OPEN and CLICK."
  type        = list(string)
  default     = ["SEND", "REJECT", "BOUNCE", "COMPLAINT", "DELIVERY", "RENDERING_FAILURE", "DELIVERY_DELAY"]
}

variable "kms_key_arn" {
  description = "Customer-managed key for topic and queues. Its policy must let ses.amazonaws.com and sns.amazonaws.com use it. null: SSE-SQS, and a topic without encryption at rest."
  type        = string
  default     = null
}
