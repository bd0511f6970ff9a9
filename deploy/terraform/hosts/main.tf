# Hosts in an Auto Scaling group. Each installs the bundle and runs the systemd unit, as docs/installing.md says.

data "aws_partition" "here" {}
data "aws_region" "here" {}
data "aws_caller_identity" "here" {}

locals {
  role_name = var.role_name == null ? aws_iam_role.hosts[0].name : var.role_name

  # As many as any schedule wants, so that an apply in its time ends no host. More hosts than the allowed rate needs send
  # nothing more.
  wanted = max(var.hosts.max, [for one in var.schedules : max(one.min, one.max == null ? 0 : one.max)]...)
  needed = var.send_rate == null ? local.wanted : ceil(var.send_rate / var.host_rate)
  most   = max(var.hosts.min, var.hosts.desired, min(local.wanted, local.needed))
  drain  = "drained"
}

resource "aws_iam_role" "hosts" {
  count = var.role_name == null ? 1 : 0
  name  = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "given" {
  for_each = var.role_name == null ? var.policies : {}
  name     = each.key
  role     = local.role_name
  policy   = each.value
}

# What a host needs before the service runs, and for its log.
resource "aws_iam_role_policy" "host" {
  count = var.role_name == null ? 1 : 0
  name  = "host"
  role  = local.role_name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "ReadBundle"
          Effect   = "Allow"
          Action   = ["s3:GetObject"]
          Resource = [for key in [var.bundle.key, "configuration/${var.name}/*"] : "arn:${data.aws_partition.here.partition}:s3:::${var.bundle.bucket}/${key}"]
        },
        {
          Sid      = "SayReadyAndDrained"
          Effect   = "Allow"
          Action   = ["autoscaling:CompleteLifecycleAction"]
          Resource = ["arn:${data.aws_partition.here.partition}:autoscaling:${data.aws_region.here.region}:${data.aws_caller_identity.here.account_id}:autoScalingGroup:*:autoScalingGroupName/${var.name}"]
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
          Resource = ["${var.log_group.arn}:*"]
        },
      ],
      length(var.secrets) == 0 ? [] : [{
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = values(var.secrets)
      }],
      var.kms_key_arn == null ? [] : [{
        Sid      = "Decrypt"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.kms_key_arn]
        Condition = {
          StringEquals = { "kms:ViaService" = [for service in ["s3", "secretsmanager"] : "${service}.${data.aws_region.here.region}.amazonaws.com"] }
        }
      }],
    )
  })
}

resource "aws_iam_role_policy_attachment" "session_manager" {
  count      = var.role_name == null && var.session_manager ? 1 : 0
  role       = local.role_name
  policy_arn = "arn:${data.aws_partition.here.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "hosts" {
  name = var.name
  role = local.role_name
}

# Beside the bundle, because user data may have 16 KB and no more. A host that starts again later still finds its own.
resource "aws_s3_object" "configuration" {
  bucket       = var.bundle.bucket
  key          = "configuration/${var.name}/${sha256(var.configuration)}.toml"
  content      = var.configuration
  content_type = "application/toml"
  kms_key_id   = var.kms_key_arn
}

resource "aws_launch_template" "hosts" {
  name                   = var.name
  image_id               = var.image_id
  instance_type          = var.instance_type
  vpc_security_group_ids = var.security_group_ids
  update_default_version = true
  user_data = base64encode(templatefile("${path.module}/user_data.sh", {
    bundle        = "s3://${var.bundle.bucket}/${var.bundle.key}"
    autoscaling   = var.name
    configuration = "s3://${aws_s3_object.configuration.bucket}/${aws_s3_object.configuration.key}"
    config_sha256 = sha256(var.configuration)
    log_group     = var.log_group.name
    region        = data.aws_region.here.region
    secrets       = var.secrets
    sha256        = var.bundle.sha256
    drain         = file("${path.module}/drain.sh")
    drain_hook    = local.drain
  }))

  iam_instance_profile {
    arn = aws_iam_instance_profile.hosts.arn
  }

  # IMDSv2 alone: a request that was forged by a server-side mistake gets no credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = var.disk_gb
      volume_type           = "gp3"
      encrypted             = true
      kms_key_id            = var.kms_key_arn
      delete_on_termination = true
    }
  }

  monitoring {
    enabled = true
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = var.name }
  }
}

resource "aws_autoscaling_group" "hosts" {
  name                      = var.name
  min_size                  = var.hosts.min
  desired_capacity          = var.hosts.desired
  max_size                  = local.most
  enabled_metrics           = ["GroupInServiceInstances"] # what the backlog is divided by
  vpc_zone_identifier       = var.subnet_ids
  health_check_type         = "EC2"
  health_check_grace_period = 300
  default_instance_warmup   = 180

  launch_template {
    id      = aws_launch_template.hosts.id
    version = aws_launch_template.hosts.latest_version
  }

  # A host counts when its service runs. One whose installation failed is ended.
  initial_lifecycle_hook {
    name                 = "installed"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    default_result       = "ABANDON"
    heartbeat_timeout    = 900
  }

  # A new release or configuration replaces hosts one after the other. An old host drains first, as at each end.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 50
      auto_rollback          = true
    }
  }

  tag {
    key                 = "Name"
    value               = var.name
    propagate_at_launch = true
  }

  # How many hosts the backlog, a schedule or a person has started stays. A schedule's minimum lasts until the next apply.
  lifecycle {
    ignore_changes = [desired_capacity]
  }

  depends_on = [aws_iam_role_policy.given, aws_iam_role_policy.host]
}

resource "aws_autoscaling_schedule" "schedule" {
  for_each               = var.schedules
  scheduled_action_name  = each.key
  autoscaling_group_name = aws_autoscaling_group.hosts.name
  recurrence             = each.value.recurrence
  time_zone              = each.value.time_zone
  min_size               = min(each.value.min, local.most)
  desired_capacity       = each.value.desired == null ? -1 : each.value.desired # -1 leaves it alone
  max_size               = each.value.max == null ? -1 : max(min(each.value.min, local.most), min(each.value.max, local.most))
}

# A host that is to end takes no more emails, ends what it has in hand, and then says so (drain.sh). If it cannot say so,
# it ends after this time. The unit stops within 90 seconds.
resource "aws_autoscaling_lifecycle_hook" "drained" {
  name                   = local.drain
  autoscaling_group_name = aws_autoscaling_group.hosts.name
  lifecycle_transition   = "autoscaling:EC2_INSTANCE_TERMINATING"
  default_result         = "CONTINUE"
  heartbeat_timeout      = var.drain_seconds
}

# As many hosts as send the backlog in backlog_minutes. By the ledger: the queue's depth is bounded, and says nothing.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-target-tracking-metric-math.html
resource "aws_autoscaling_policy" "backlog" {
  count                     = var.backlog_minutes == null ? 0 : 1
  name                      = "backlog"
  autoscaling_group_name    = aws_autoscaling_group.hosts.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = 180

  target_tracking_configuration {
    target_value = 60 * var.backlog_minutes * var.host_rate

    customized_metric_specification {
      metrics {
        id          = "backlog"
        return_data = false
        metric_stat {
          stat = "Maximum"
          metric {
            namespace   = var.figures_namespace
            metric_name = "eed_backlog"
          }
        }
      }
      metrics {
        id          = "hosts"
        return_data = false
        metric_stat {
          stat = "Average"
          metric {
            namespace   = "AWS/AutoScaling"
            metric_name = "GroupInServiceInstances"
            dimensions {
              name  = "AutoScalingGroupName"
              value = aws_autoscaling_group.hosts.name
            }
          }
        }
      }
      metrics {
        id          = "each"
        expression  = "backlog / hosts"
        label       = "Backlog of each host"
        return_data = true
      }
    }
  }
}
