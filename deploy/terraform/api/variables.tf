variable "name" {
  description = "Name of the function, its role and its log group."
  type        = string
  default     = "eed-delivery-api"
}

variable "image_uri" {
  description = "The image of deploy/lambda/Dockerfile in ECR, by its digest."
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

variable "timeout_seconds" {
  description = "Longest time of one invocation. API Gateway waits 30 seconds."
  type        = number
  default     = 29
}

variable "reserved_concurrency" {
  description = "Requests at the same time."
  type        = number
  default     = 20
}

variable "routes" {
  description = "Methods and paths that the gateway lets through."
  type        = list(string)
  default     = ["ANY /api/v1/{proxy+}"]
}

variable "authorization" {
  description = "AWS_IAM: callers sign by SigV4. NONE: the API's own tokens alone decide."
  type        = string
  default     = "AWS_IAM"
  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.authorization)
    error_message = "authorization is AWS_IAM or NONE."
  }
}

variable "requests_per_second" {
  description = "Requests a second that the gateway lets through, of all callers together."
  type        = number
  default     = 50
}
