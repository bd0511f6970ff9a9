output "security_group_id" {
  description = "The security group of hosts, tasks and functions."
  value       = aws_security_group.service.id

  # What is started in the group finds its ways open.
  depends_on = [
    aws_vpc_endpoint.interface,
    aws_vpc_security_group_egress_rule.database,
    aws_vpc_security_group_egress_rule.endpoints,
    aws_vpc_security_group_egress_rule.internet,
    aws_vpc_security_group_egress_rule.mail,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_ingress_rule.database,
    aws_vpc_security_group_ingress_rule.endpoints,
  ]
}
