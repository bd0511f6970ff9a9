variable "name" {
  description = "What names of security groups begin with."
  type        = string
  default     = "eed-delivery"
}

variable "vpc_id" {
  description = "The VPC of the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets for the interface endpoints, one a zone."
  type        = list(string)
}

variable "route_table_ids" {
  description = "Route tables of those subnets, for the gateway endpoint of S3."
  type        = list(string)
}

variable "s3_prefix_list_id" {
  description = "Prefix list of S3, if the route tables have a gateway endpoint already: they take no second one. null: one is made."
  type        = string
  default     = null
}

variable "database_security_group_id" {
  description = "The security group of the database. It gets a rule that lets the service in."
  type        = string
}

variable "database_port" {
  description = "Port of the database."
  type        = number
  default     = 3306
}

variable "mail_servers" {
  description = "Networks of the mail servers, and their port. []: emails leave by SES."
  type        = list(object({ cidr = string, port = number }))
  default     = []
}

variable "internet" {
  description = "Whether HTTPS may go to any address, by a NAT gateway. SES and webhooks need it where no endpoint serves them."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "Services with an interface endpoint. Ask `aws ec2 describe-vpc-endpoint-services` which ones the region has."
  type        = set(string)
  default     = ["logs", "secretsmanager", "sqs"]
}

variable "proxy_security_group_ids" {
  description = "Security groups of the load balancer before the operators' pages."
  type        = map(string)
  default     = {}
}

variable "operators_port" {
  description = "Port of operators.listen."
  type        = number
  default     = 8027
}
