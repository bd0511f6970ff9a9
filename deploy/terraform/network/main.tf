# Who may talk to whom. The VPC, its subnets and the database are there already.

data "aws_region" "here" {}

data "aws_vpc" "here" {
  id = var.vpc_id
}

resource "aws_security_group" "service" {
  name        = "${var.name}-service"
  description = "Hosts, tasks and functions of eed-delivery"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "database" {
  security_group_id            = aws_security_group.service.id
  description                  = "The database"
  ip_protocol                  = "tcp"
  from_port                    = var.database_port
  to_port                      = var.database_port
  referenced_security_group_id = var.database_security_group_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = var.database_security_group_id
  description                  = "eed-delivery"
  ip_protocol                  = "tcp"
  from_port                    = var.database_port
  to_port                      = var.database_port
  referenced_security_group_id = aws_security_group.service.id
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  security_group_id            = aws_security_group.service.id
  description                  = "AWS by interface endpoints"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.endpoints.id
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.service.id
  description       = "S3 by its gateway endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = var.s3_prefix_list_id == null ? aws_vpc_endpoint.s3[0].prefix_list_id : var.s3_prefix_list_id
}

resource "aws_vpc_security_group_egress_rule" "internet" {
  count             = var.internet ? 1 : 0
  security_group_id = aws_security_group.service.id
  description       = "HTTPS by the NAT gateway"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "mail" {
  for_each          = { for server in var.mail_servers : "${server.cidr}:${server.port}" => server }
  security_group_id = aws_security_group.service.id
  description       = "A mail server"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.cidr
}

resource "aws_vpc_security_group_ingress_rule" "proxy" {
  for_each                     = var.proxy_security_group_ids
  security_group_id            = aws_security_group.service.id
  description                  = "Operators' pages, from ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = var.operators_port
  to_port                      = var.operators_port
  referenced_security_group_id = each.value
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints for eed-delivery"
  vpc_id      = var.vpc_id
}

# Private DNS leads everything in the VPC to these endpoints, so everything may come.
resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id = aws_security_group.endpoints.id
  description       = "The VPC"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = data.aws_vpc.here.cidr_block
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = var.interface_endpoints
  vpc_id              = var.vpc_id
  service_name        = "com.amazonaws.${data.aws_region.here.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true
}

resource "aws_vpc_endpoint" "s3" {
  count             = var.s3_prefix_list_id == null ? 1 : 0
  vpc_id            = var.vpc_id
  service_name      = "com.amazonaws.${data.aws_region.here.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.route_table_ids
}
