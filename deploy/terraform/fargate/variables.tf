variable "name" {
  description = "Name of the cluster, the service and their roles."
  type        = string
  default     = "eed-delivery-tasks"
}

variable "image_uri" {
  description = "An image with the package in ECR, by its digest (docs/aws.md)."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "image_uri ends with @sha256: and the digest, so that a plan says which image will run."
  }
}

variable "repository_arn" {
  description = "The ECR repository of the image."
  type        = string
}

variable "entry_point" {
  description = "What the image runs in place of a Lambda handler."
  type        = list(string)
  default     = ["python3", "-c", "from eed_delivery.cli import main; main()"]
}

variable "commands" {
  description = "Containers of each task, by name, with their command. The small form runs publisher and sweeper, and functions send."
  type        = map(list(string))
  default     = { publisher = ["publisher"], sweeper = ["sweeper"] }
}

variable "tasks" {
  description = "How many tasks run. Two of publisher and sweeper share the work by leases."
  type        = number
  default     = 2
}

variable "cpu" {
  description = "CPU of a task: 1,024 is one core."
  type        = number
  default     = 512
}

variable "memory_mb" {
  description = "Memory of a task."
  type        = number
  default     = 1024
}

variable "architecture" {
  description = "ARM64 or X86_64: what the image was built for."
  type        = string
  default     = "ARM64"
}

variable "environment" {
  description = "EED_ variables. No secrets: those go by ARN."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "EED_ variables whose values are secrets, with the ARN of each secret."
  type        = map(string)
  default     = {}
}

variable "policies" {
  description = "IAM policies of the tasks' role: those of the module rights."
  type        = map(string)
}

variable "task_role_arn" {
  description = "A role that exists already. null: one is made, with policies."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the tasks."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Customer-managed key for logs and secrets. Its policy must let logs.REGION.amazonaws.com use it."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
  default     = 90
}

variable "scaling" {
  description = "Between which numbers of tasks the backlog decides, where tasks have workers. send_rate is what all tasks may send a second, and task_rate what one sends. null: the number of tasks is fixed."
  type = object({
    min               = number
    max               = number
    send_rate         = optional(number)
    task_rate         = optional(number, 450)
    backlog_minutes   = optional(number, 10)
    figures_namespace = optional(string, "eed-delivery")
  })
  default = null
  validation {
    condition     = var.scaling == null ? true : var.scaling.min >= 1 && var.scaling.min <= var.scaling.max && var.scaling.task_rate > 0
    error_message = "scaling has min <= max, at least one task, and a task_rate of more than 0."
  }
  validation {
    condition     = var.scaling == null ? true : contains(flatten(values(var.commands)), "worker") || contains(flatten(values(var.commands)), "run")
    error_message = "No container of a task sends: commands has neither worker nor run."
  }
}

variable "schedules" {
  description = "Times from which at least so many tasks run, such as the end of a month: { schedule = \"cron(0 18 L * ? *)\", min = 4 }. max: for this time alone."
  type        = map(object({ schedule = string, min = number, max = optional(number), time_zone = optional(string, "Etc/UTC") }))
  default     = {}
}
