variable "name" {
  description = "Name of the API, the function, its role and its log groups."
  type        = string
  default     = "eed-delivery-api"
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

variable "timeout_seconds" {
  description = "Longest time of one request. API Gateway waits 30 seconds at most."
  type        = number
  default     = 29
  validation {
    condition     = var.timeout_seconds >= 5 && var.timeout_seconds <= 29
    error_message = "timeout_seconds is 5 to 29: a caller gets no answer of a function that works longer."
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

variable "max_concurrency" {
  description = "Requests at the same time. Each has up to 3 connections to the database."
  type        = number
  default     = 10
}

variable "routes" {
  description = "What can be asked. [\"ANY /api/v1/{proxy+}\"] is all of the API (docs/api.md)."
  type        = set(string)
  default = [
    "GET /api/v1/jobs/{key}",
    "GET /api/v1/operations/{operation}",
    "POST /api/v1/jobs",
    "POST /api/v1/jobs/{key}/nudge",
  ]
  validation {
    condition     = alltrue([for route in var.routes : can(regex("^(ANY|GET|POST|PUT|DELETE) /", route))])
    error_message = "A route is a method and a path, like \"POST /api/v1/jobs\". There is no $default: it would let everything in."
  }
}

variable "authorization" {
  description = "AWS_IAM: callers sign by IAM, and operators.iam_callers says what they may do. NONE: callers send tokens of the service."
  type        = string
  default     = "AWS_IAM"
  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.authorization)
    error_message = "authorization is AWS_IAM or NONE."
  }
}

variable "requests_per_second" {
  description = "Requests a second of all callers together. More get 429."
  type        = number
  default     = 10
}

variable "burst" {
  description = "Requests that may come at once. More get 429."
  type        = number
  default     = 10
  validation {
    condition     = var.burst <= var.max_concurrency
    error_message = "burst is at most max_concurrency: Lambda throttles what comes beyond it, and the caller gets 503."
  }
}

variable "custom_domain_only" {
  description = "Whether the API answers under a domain of yours alone."
  type        = bool
  default     = false
}

variable "environment" {
  description = "EED_ variables. No secrets: those go by ARN."
  type        = map(string)
  default     = {}
}

variable "policies" {
  description = "IAM policies of the function's role: those of the module rights. {}: it needs none beside its log."
  type        = map(string)
  default     = {}
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
  description = "Private subnets with a way to the database."
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
